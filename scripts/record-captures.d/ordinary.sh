# shellcheck shell=bash
# Captures in which nothing is wrong.

# The sites of the office: address, name.
readonly SITES='203.0.113.11 news.example
203.0.113.12 docs.example
203.0.113.13 shop.example
198.51.100.14 mail.example
198.51.100.15 maps.example'

office_outside() {
    text_file "$WORK/site/index.html" 9000
    local n names=()
    for n in 1 2 3 4 5 6; do text_file "$WORK/site/asset$n.css" $((n * 4100)); done
    zero_file "$WORK/site/image-12.0.tar.gz" 9M
    text_file "$WORK/site/update/latest.json" 200
    tls_up docs.example
    web_up out site "$WORK/site" 80 '[::]:80' '443 ssl' '[::]:443 ssl'
    while read -r address name; do
        names+=("--address=/$name/$address" "--address=/$name/2001:db8:11::${address##*.}")
    done <<<"$SITES"
    names+=(--address=/download.example/203.0.113.40 --address=/updates.example/198.51.100.20
        --address=/telemetry.example/198.51.100.21)
    dns_up out resolver --listen-address=198.51.100.53 --bind-interfaces "${names[@]}"
    ntp_up out 198.51.100.123
    daemon out telemetry "$HERE/client.py" serve --address 198.51.100.21 --port 8080
}

office_inside() {
    local n
    host_up dns 53
    host_up fs 10
    host_up web 11
    host_up db 12
    host_up backup 13
    host_up monitor 30
    host_up admin 40
    for n in 101 102 103 104 105 106; do host_up "ws-$n" "$n"; done
    dns_up dns cache --server=198.51.100.53 --cache-size=0 --address=/fs.office.example/10.1.0.10
    text_file "$WORK/share/report.txt" 300000
    smb_up fs data "$WORK/share"
    ssh_up web
    ssh_up db
    text_file "$WORK/intranet/health.json" 700
    web_up web intranet "$WORK/intranet" 80
    rsync_up backup nightly "$WORK/backup"
    for n in web db; do
        printf 'rocommunity public\nagentAddress udp:161\n' >"$WORK/snmpd.conf"
        daemon "$n" "snmpd-$n" snmpd -f -Lo -C -c "$WORK/snmpd.conf" -p "$WORK/snmpd-$n.pid"
    done
}

# Checks as a monitoring system makes them; SSH only every 50 s, as it closes the session at once.
monitoring() {
    local round
    for round in $(seq 40); do
        on monitor ping -q -c 1 -W 1 "$LAN4.11"
        on monitor ping -q -c 1 -W 1 "$LAN4.12"
        on monitor curl -s -o /dev/null "http://$LAN4.11/health.json"
        on monitor snmpget -v2c -c public "$LAN4.11" 1.3.6.1.2.1.1.3.0 1.3.6.1.2.1.1.5.0
        on monitor snmpget -v2c -c public "$LAN4.12" 1.3.6.1.2.1.1.3.0
        if [ $((round % 6)) = 1 ]; then
            on monitor ssh-keyscan -t ed25519 "$LAN4.11" "$LAN4.12"
        fi
        sleep 7.8
    done >/dev/null 2>&1
}

# What runs by itself: each external poll lacks one part of what makes a beacon.
machine_chatter() {
    # Regular and alone, but the answer is as small as the question.
    daemon ws-105 updates "$HERE/client.py" poll --seed 5 --every 25 --jitter 0.05 --count 12 -- \
        -H 'If-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT' http://updates.example/update/latest.json
    # Regular and alone, but it sends and hardly receives.
    text_file "$WORK/telemetry.json" 3000
    daemon ws-106 telemetry "$HERE/client.py" poll --seed 6 --every 30 --jitter 0.05 --count 10 -- \
        -d "@$WORK/telemetry.json" http://telemetry.example:8080/v1/events
    local n
    for n in 101 102 103 104 105 106; do
        sleep $((n % 7 * 3))
        on "ws-$n" chronyd -Q -t 9 -u root -f /dev/null 'server 198.51.100.123 iburst' >/dev/null 2>&1 || true
    done
}

people() {
    local n name sites=()
    while read -r _ name; do sites+=("http://$name"); done <<<"$SITES"
    sites+=(https://docs.example https://mail.example 'http://[2001:db8:11::11]')
    for n in 101 102 103 104 105 106; do
        daemon "ws-$n" "ws-$n" "$HERE/client.py" browse --seed "$n" --seconds 310 -- "${sites[@]}"
    done
}

record_benign_office() {
    net_up
    office_outside
    office_inside
    wait_port out any 443
    capture_on sw br0 "$RAW" -s 200
    people
    machine_chatter &
    local chatter=$! watch
    monitoring &
    watch=$!
    sleep 25
    on ws-103 curl -s -o /dev/null http://download.example/image-12.0.tar.gz
    smb ws-102 "$LAN4.10" data "get report.txt /dev/null" >/dev/null 2>&1
    ssh_to admin "$LAN4.12" 'for i in 1 2 3 4 5 6; do uptime; sleep 4; done' >/dev/null
    text_file "$WORK/data/db.dump" 14000000
    on db rsync --bwlimit=1500 "$WORK/data/db.dump" "rsync://$LAN4.13/nightly/"
    sleep 20
    smb ws-104 "$LAN4.10" data "get report.txt /dev/null; put $WORK/share/report.txt minutes.txt" >/dev/null 2>&1
    ssh_to admin "$LAN4.11" 'for i in 1 2 3; do df -h; sleep 3; done' >/dev/null
    wait "$chatter" "$watch"
    sleep 5
    capture_end
}

small_outside() {
    text_file "$WORK/site/index.html" 5000
    web_up out site "$WORK/site" 80 '[::]:80'
    dns_up out resolver --listen-address=198.51.100.53,2001:db8:53::53 --bind-interfaces \
        --address=/www.example/203.0.113.80 --address=/www.example/2001:db8:80::80
    wait_port out any 80
}

# small_talk HOST: a little of everything over IPv4.
small_talk() {
    on "$1" ping -q -c 2 -i 0.3 203.0.113.80 >/dev/null
    on "$1" dig +short @198.51.100.53 www.example A >/dev/null
    on "$1" curl -s -o /dev/null http://203.0.113.80/index.html
    on "$1" curl -s -o /dev/null http://203.0.113.80:81/ || true
    on "$1" ping -q -c 1 -s 3000 203.0.113.80 >/dev/null
}

# small_talk6 HOST: the same over IPv6.
small_talk6() {
    on "$1" ping -q -6 -c 2 -i 0.3 2001:db8:80::80 >/dev/null
    on "$1" dig +short @2001:db8:53::53 www.example AAAA >/dev/null
    on "$1" curl -s -o /dev/null -g 'http://[2001:db8:80::80]/index.html'
    on "$1" curl -s -o /dev/null -g 'http://[2001:db8:80::80]:81/' || true
    on "$1" ping -q -6 -c 1 -s 3000 2001:db8:80::80 >/dev/null
}

record_ipv6_mixed() {
    net_up
    host_up ws-10 10
    host_up ws-11 11
    small_outside
    capture_on sw br0 "$RAW"
    small_talk6 ws-10
    small_talk ws-11
    on ws-10 ping -q -6 -c 2 -i 0.3 "${LAN6}11" >/dev/null
    on ws-11 dig +time=1 +tries=1 "@${LAN6}10" www.example AAAA >/dev/null || true
    on ws-11 ping -q -6 -c 1 -W 1 "${LAN6}99" >/dev/null || true
    capture_end
}

# Tagged copies of ipv6-mixed: the tags are put in afterwards.
record_vlan() { relink vlan; }
record_qinq() { relink qinq; }
relink() {
    [ -f "$OUT/ipv6-mixed.pcap" ] || { echo "${NAME:?}: needs $OUT/ipv6-mixed.pcap: record it first" >&2; return 1; }
    "$GENERATOR" relink "$OUT/ipv6-mixed.pcap" --to "$1" --out "$RAW"
}
record_loopback_null() { relink null; }

# record_on_host COMMAND_OPTION...: small talk as the host itself sees it on all its interfaces.
record_on_host() {
    net_up
    host_up ws-10 10
    small_outside
    capture_on ws-10 any "$RAW" "$@"
    small_talk ws-10
    small_talk6 ws-10
    capture_end
}
record_cooked_sll() { record_on_host -y LINUX_SLL; }
record_cooked_sll2() { record_on_host -y LINUX_SLL2; }

record_nanosecond() {
    net_up
    host_up ws-10 10
    small_outside
    capture_on sw br0 "$RAW" --time-stamp-precision=nano
    small_talk ws-10
    capture_end
}

# Rewritten from what tcpdump wrote: dumpcap would put this machine's processor and kernel into it.
record_pcapng() {
    net_up
    host_up ws-10 10
    small_outside
    capture_on sw br0 "$RAW" --time-stamp-precision=nano
    small_talk ws-10
    small_talk6 ws-10
    capture_end
    editcap -F pcapng -a '1:The first packet.' "$RAW" "${RAW%.pcap}.pcapng"
    RAW=${RAW%.pcap}.pcapng
}

# Inside an SSH tunnel between two hosts: no link layer at all.
record_raw_ip() {
    net_up
    host_up ws-10 10
    host_up gate 20
    ssh_up gate -o PermitTunnel=point-to-point
    daemon ws-10 tunnel ssh -F /dev/null -N -w 0:0 -i "$WORK/id" -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -l root "$LAN4.20"
    for _ in $(seq 50); do
        if on gate ip link show tun0 >/dev/null 2>&1 && on ws-10 ip link show tun0 >/dev/null 2>&1; then break; fi
        sleep 0.1
    done
    ip -n "$NET-ws-10" addr add 172.20.0.10 peer 172.20.0.20 dev tun0
    ip -n "$NET-gate" addr add 172.20.0.20 peer 172.20.0.10 dev tun0
    ip -n "$NET-ws-10" addr add fd00:20::10/64 dev tun0
    ip -n "$NET-gate" addr add fd00:20::20/64 dev tun0
    ip -n "$NET-ws-10" link set tun0 up
    ip -n "$NET-gate" link set tun0 up
    text_file "$WORK/site/index.html" 5000
    web_up gate site "$WORK/site" 80 '[::]:80'
    wait_port gate any 80
    capture_on gate tun0 "$RAW"
    on ws-10 ping -q -c 2 -i 0.3 172.20.0.20 >/dev/null
    on ws-10 curl -s -o /dev/null http://172.20.0.20/index.html
    on ws-10 curl -s -o /dev/null -g 'http://[fd00:20::20]/index.html'
    on ws-10 dig +time=1 +tries=1 @172.20.0.20 www.example >/dev/null || true
    capture_end
}

# An hour of what people, mail servers and antivirus programs ask for. Every name has an address.
record_benign_dns() {
    net_up
    dns_up out resolver --listen-address=198.51.100.53 --bind-interfaces --local=/example/ \
        --address=/example/198.51.100.10 --address=/example/2001:db8:11::10 \
        --txt-record=_dmarc.example,v=DMARC1
    local n
    for n in 41 42 43; do host_up "ws-$n" "$n"; done
    host_up mail 44
    capture_on sw br0 "$RAW"
    local until=$((SECONDS + ${BENIGN_DNS_SECONDS:-3600})) askers=()
    for n in 41 42 43; do
        ask_as_browser "ws-$n" "$n" "$until" &
        askers+=("$!")
    done
    ask_as_mail_server mail "$until" &
    askers+=("$!")
    ask_as_antivirus ws-41 "$until" &
    askers+=("$!")
    wait "${askers[@]}"
    capture_end
}

# ask HOST TYPE NAME...
ask() {
    local host=$1 type=$2
    shift 2
    on "$host" dig +short +time=1 +tries=1 -t "$type" "$@" @198.51.100.53 >/dev/null || true
}

# hex TEXT LENGTH: digits that look random and are the same every time.
hex() { printf %s "$1" | md5sum | head -c "$2"; }

# ask_as_browser HOST SEED SECONDS: a page every 20 to 80 seconds, and what it is made of.
ask_as_browser() {
    local page=0 site name type
    RANDOM=$2
    while [ "$SECONDS" -lt "$3" ]; do
        page=$((page + 1))
        site=site$((RANDOM % 60)).example
        for name in "www.$site" "static.$site" "d$(hex "$site" 13).cdn.example" "api.$site" \
            "e$((RANDOM % 9000)).dsc$((RANDOM % 9)).edge.example" "fonts.example" \
            "$(hex "$site$page" 8)-$(hex "$site" 6).metrics.example"; do
            for type in A AAAA HTTPS; do ask "$1" "$type" "$name"; done
        done
        [ $((RANDOM % 5)) -gt 0 ] || on "$1" dig +short -x 198.51.100.10 @198.51.100.53 >/dev/null || true
        sleep $((20 + RANDOM % 60))
    done
}

# ask_as_mail_server HOST SECONDS: who may send for a domain, and the key its letters are signed with.
ask_as_mail_server() {
    local letter=0 domain
    while [ "$SECONDS" -lt "$2" ]; do
        letter=$((letter + 1))
        domain=sender$((letter % 40)).example
        ask "$1" MX "$domain"
        ask "$1" TXT "$domain"
        ask "$1" TXT "_dmarc.$domain"
        ask "$1" TXT "s$((letter % 40))-2026-$(hex "$domain" 12)._domainkey.$domain"
        ask "$1" A "$((letter % 250)).2.0.192.blocklist.example"
        sleep 25
    done
}

# ask_as_antivirus HOST SECONDS: a file's hash as a name, below one domain: known noise, and close to
# what tunnels look like.
ask_as_antivirus() {
    local file=0
    while [ "$SECONDS" -lt "$2" ]; do
        file=$((file + 1))
        ask "$1" TXT "$(hex "file $file" 32).hashes.reputation.example"
        sleep 95
    done
}
