# shellcheck shell=bash
# Captures of one protocol each, in the ways in which it is spoken.

# python_up MODULE==VERSION...: a virtual environment with these; sets PYTHON.
python_up() {
    local venv=${CARGO_TARGET_DIR:-$ROOT/target}/record-venv
    # shellcheck disable=SC2094 # the lock is no input
    (
        flock 9
        [ -x "$venv/bin/python3" ] || python3 -m venv "$venv"
        "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check "$@"
    ) 9>"$venv.lock"
    PYTHON=$venv/bin/python3
}

# authority_up: $WORK/ca.{key,crt}, which signs.
authority_up() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/O=Office/CN=Office Root' \
        -keyout "$WORK/ca.key" -out "$WORK/ca.crt" 2>/dev/null
}

# signed NAME SUBJECT EXTENSIONS OPTION...: $WORK/NAME.{key,crt}, signed by the authority.
signed() {
    local name=$1 subject=$2 extensions=$3
    shift 3
    openssl req -newkey "$@" -nodes -subj "$subject" -keyout "$WORK/$name.key" -out "$WORK/$name.csr" 2>/dev/null
    openssl x509 -req -in "$WORK/$name.csr" -CA "$WORK/ca.crt" -CAkey "$WORK/ca.key" -CAcreateserial -days 365 \
        -extfile <(printf '%s\n' "$extensions") -out "$WORK/$name.crt" 2>/dev/null
}

# tls_server PORT SETTINGS: one more server of the same site.
tls_server() {
    echo "server { listen $1 ssl; root $WORK/site; ssl_certificate $WORK/www.crt;"
    echo "ssl_certificate_key $WORK/www.key; $2 }"
}

# again OPTION...: asks twice with openssl, the second time with what the first was given to resume with.
again() {
    local way
    for way in -sess_out -sess_in; do
        printf 'GET /index.html HTTP/1.0\r\n\r\n' |
            on ws-101 openssl s_client -quiet -ign_eof -servername www.office.example -CAfile "$WORK/ca.crt" \
                "$way" "$WORK/session" "$@" >/dev/null 2>&1
    done
}

record_tls() {
    local dir=$WORK/nginx-tls once='ssl_session_cache shared:one:1m;'
    net_up
    host_up ws-101 101
    host_up web 11
    text_file "$WORK/site/index.html" 2500
    authority_up
    signed www '/O=Office/CN=www.office.example' 'subjectAltName=DNS:www.office.example,DNS:*.web.office.example' rsa:2048
    signed ada '/O=Office/CN=Ada' 'extendedKeyUsage=clientAuth' ec -pkeyopt ec_paramgen_curve:P-256
    mkdir -p "$dir"
    {
        echo "daemon off; worker_processes 1; user root; pid $dir/pid; error_log $dir/error.log;"
        echo 'events { worker_connections 64; }'
        echo "http { access_log off; client_body_temp_path $dir/body; proxy_temp_path $dir/proxy;"
        echo "fastcgi_temp_path $dir/fcgi; uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;"
        tls_server 443 "ssl_protocols TLSv1.3; $once"
        tls_server 8443 "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256; $once"
        tls_server 9443 "ssl_protocols TLSv1.2; ssl_client_certificate $WORK/ca.crt; ssl_verify_client on;"
        tls_server 10443 "ssl_protocols TLSv1.3; ssl_client_certificate $WORK/ca.crt; ssl_verify_client on;"
        echo '}'
    } >"$dir/nginx.conf"
    daemon web nginx-tls nginx -e "$dir/error.log" -c "$dir/nginx.conf"
    wait_port web any 10443
    capture_on sw br0 "$RAW"
    local get=(curl -s -o /dev/null --connect-to "::$LAN4.11:" --cacert "$WORK/ca.crt") name=www.office.example
    on ws-101 "${get[@]}" --tls-max 1.2 "https://$name:8443/index.html"
    on ws-101 "${get[@]}" --tlsv1.3 "https://$name/index.html"
    on ws-101 "${get[@]}" --tlsv1.3 --http1.1 "https://a.web.office.example/index.html"
    again -tls1_2 -connect "$LAN4.11:8443"
    again -tls1_3 -connect "$LAN4.11:443"
    on ws-101 "${get[@]}" --tls-max 1.2 --cert "$WORK/ada.crt" --key "$WORK/ada.key" "https://$name:9443/index.html"
    on ws-101 "${get[@]}" --tlsv1.3 --cert "$WORK/ada.crt" --key "$WORK/ada.key" "https://$name:10443/index.html"
    # The server has none of these ciphers; nobody vouches for the server; the server wants TLS 1.3.
    on ws-101 openssl s_client -tls1_2 -cipher AES256-SHA -connect "$LAN4.11:8443" </dev/null >/dev/null 2>&1 || true
    on ws-101 curl -s -o /dev/null --tls-max 1.2 --connect-to "::$LAN4.11:" "https://$name:8443/" || true
    on ws-101 "${get[@]}" --tls-max 1.2 "https://$name/" || true
    capture_end
}

record_quic() {
    net_up
    host_up ws-101 101
    host_up web 11
    python_up aioquic==1.7.2
    authority_up
    signed www '/O=Office/CN=www.office.example' 'subjectAltName=DNS:www.office.example' rsa:2048
    daemon web quic "$PYTHON" "$HERE/quic.py" serve --address "$LAN4.11" --certificate "$WORK/www.crt" --key "$WORK/www.key"
    sleep 2
    capture_on sw br0 "$RAW"
    local get=("$PYTHON" "$HERE/quic.py" get --to "$LAN4.11:443" --name www.office.example)
    on ws-101 "${get[@]}"
    on ws-101 "${get[@]}" --version 2
    on ws-101 "${get[@]}" --tickets "$WORK/tickets"
    on ws-101 "${get[@]}" --tickets "$WORK/tickets" --path /again
    capture_end
}

record_ftp() {
    net_up
    host_up ws-101 101
    host_up fs 10
    text_file "$WORK/ftp/pub/report.txt" 20000
    cp /usr/share/zoneinfo/UTC "$WORK/ftp/pub/image.bin"
    chmod -R a+rX "$WORK/ftp"
    ftp_up fs "$WORK/ftp"
    capture_on sw br0 "$RAW"
    local get=(curl -s -o /dev/null) pub=ftp://$LAN4.10/pub
    # EPSV, PASV, EPRT, PORT; a list, a part, what is not there, a password that is wrong.
    on ws-101 "${get[@]}" "$pub/report.txt"
    on ws-101 "${get[@]}" --disable-epsv "$pub/report.txt" -o /dev/null "$pub/image.bin"
    on ws-101 "${get[@]}" --ftp-port - "$pub/report.txt"
    on ws-101 "${get[@]}" --ftp-port - --disable-eprt "$pub/image.bin"
    on ws-101 "${get[@]}" "$pub/"
    on ws-101 "${get[@]}" --continue-at 15000 "$pub/report.txt"
    on ws-101 "${get[@]}" "$pub/nothing.txt" || true
    on ws-101 "${get[@]}" --user ada:wrong "$pub/report.txt" || true
    capture_end
}

record_smtp() {
    net_up
    host_up ws-101 101
    host_up mail 25
    python_up aiosmtpd==1.4.6
    authority_up
    signed mail '/O=Office/CN=mail.example' 'subjectAltName=DNS:mail.example' rsa:2048
    text_file "$WORK/notes.txt" 3000
    printf '%%PDF-1.4\n%s\n%%%%EOF\n' "$(head -c 6000 "$WORK/notes.txt")" >"$WORK/invoice.pdf"
    daemon mail smtp "$PYTHON" "$HERE/mail.py" serve --address "$LAN4.25" --certificate "$WORK/mail.crt" --key "$WORK/mail.key"
    wait_port mail any 25
    capture_on sw br0 "$RAW"
    local send=("$PYTHON" "$HERE/mail.py" send --to "$LAN4.25:25" --subject)
    on ws-101 "${send[@]}" 'only text'
    on ws-101 "${send[@]}" 'two attachments' --attach "$WORK/notes.txt" --attach "$WORK/invoice.pdf"
    on ws-101 "${send[@]}" 'in private' --starttls --attach "$WORK/invoice.pdf"
    capture_end
}

record_dhcp() {
    net_up
    host_up dns 53
    host_up ws-101 101
    host_up ws-102 102
    local n lease
    for n in 101 102; do
        # Nothing but what a lease gives.
        ip -n "$NET-ws-$n" addr flush dev eth0
        ip -n "$NET-ws-$n" link set dev eth0 up
    done
    dns_up dns dhcp --port=0 --dhcp-authoritative --no-ping --dhcp-leasefile="$WORK/leases" --domain=office.example \
        --dhcp-range="$LAN4.150,$LAN4.160,2m" --dhcp-option="option:router,$LAN4.1" \
        --dhcp-option="option:dns-server,$LAN4.53"
    sleep 1
    # What is given is taken on, so that it can be asked for again.
    # shellcheck disable=SC2016 # expanded by that script
    printf '#!/bin/sh\n[ "$1" = bound ] && ip addr replace "$ip/$mask" dev "$interface"\nexit 0\n' >"$WORK/lease"
    chmod 755 "$WORK/lease"
    lease=(busybox udhcpc -i eth0 -s "$WORK/lease" -t 3 -T 1)
    capture_on sw br0 "$RAW" udp port 67 or udp port 68 or arp
    on ws-101 "${lease[@]}" -n -q -x hostname:ws-101 >/dev/null 2>&1
    on ws-102 "${lease[@]}" -n -q -R -x hostname:ws-102 -V office >/dev/null 2>&1
    # It asks for an address of some other network, and is offered another.
    on ws-102 "${lease[@]}" -n -q -r 192.0.2.77 >/dev/null 2>&1
    # Renewed after half of its time, and given back.
    daemon ws-101 udhcpc "${lease[@]}" -f -R -p "$WORK/udhcpc.pid"
    sleep 65
    kill -TERM "$(cat "$WORK/udhcpc.pid")"
    sleep 1
    capture_end
}
