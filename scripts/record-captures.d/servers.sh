# shellcheck shell=bash
# Servers, each configured from nothing into $WORK, so that what the machine has set up does not matter.

# text_file FILE BYTES: repeatable filler that looks like prose and compresses.
text_file() {
    mkdir -p "$(dirname "$1")"
    yes 'The quick brown fox jumps over the lazy dog. Captures are made of traffic like this.' |
        head -c "$2" >"$1" || true
}

# zero_file FILE SIZE: takes no room on disk.
zero_file() {
    mkdir -p "$(dirname "$1")"
    truncate -s "$2" "$1"
}

# web_up HOST NAME ROOT LISTEN...: nginx serving a directory.
web_up() {
    local host=$1 name=$2 root=$3 dir=$WORK/nginx-$2 listen
    shift 3
    mkdir -p "$dir"
    {
        echo "daemon off; worker_processes 1; user root; pid $dir/pid; error_log $dir/error.log;"
        echo 'events { worker_connections 256; }'
        echo "http { access_log off; if_modified_since before; types { text/html html; text/css css; image/png png; application/json json; application/gzip gz; application/vnd.debian.binary-package deb; }"
        echo "client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fcgi; uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;"
        echo "server { root $root;"
        for listen; do echo "listen $listen;"; done
        if [ -f "$WORK/tls.key" ]; then
            echo "ssl_certificate $WORK/tls.crt; ssl_certificate_key $WORK/tls.key; ssl_protocols TLSv1.3;"
        fi
        echo '} }'
    } >"$dir/nginx.conf"
    daemon "$host" "nginx-$name" nginx -e "$dir/error.log" -c "$dir/nginx.conf"
}

# tls_up NAME: a self-signed certificate for web_up to use.
tls_up() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$1" \
        -keyout "$WORK/tls.key" -out "$WORK/tls.crt" 2>/dev/null
}

# ssh_up HOST [OPTION...]: sshd that lets root in with $WORK/id, which it makes.
ssh_up() {
    local host=$1 dir=$WORK/sshd-$1
    shift
    mkdir -p "$dir" /run/sshd
    [ -f "$WORK/id" ] || ssh-keygen -q -t ed25519 -N '' -C '' -f "$WORK/id"
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$dir/key"
    daemon "$host" "sshd-$host" /usr/sbin/sshd -D -e -f /dev/null -h "$dir/key" -o PidFile=none \
        -o StrictModes=no -o UsePAM=no -o PrintMotd=no -o "AuthorizedKeysFile=$WORK/id.pub" "$@"
    wait_port "$host" any 22
}

# ssh_to FROM ADDRESS COMMAND...
ssh_to() {
    local from=$1
    shift
    on "$from" ssh -F /dev/null -q -i "$WORK/id" -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -l root "$@"
}

# smb_up HOST SHARE DIRECTORY: samba; any user becomes the guest.
smb_up() {
    local host=$1 dir=$WORK/smb-$1
    mkdir -p "$dir" "$3"
    chmod 777 "$3"
    cat >"$dir/smb.conf" <<CONF
[global]
netbios name = ${host^^}
workgroup = OFFICE
map to guest = bad user
guest account = nobody
disable spoolss = yes
load printers = no
disable netbios = yes
smb ports = 445
log level = 0
private dir = $dir
state directory = $dir
cache directory = $dir
lock directory = $dir
pid directory = $dir
ncalrpc dir = $dir
log file = $dir/log
[$2]
path = $3
guest ok = yes
read only = no
CONF
    daemon "$host" "smbd-$host" smbd --foreground -s "$dir/smb.conf"
    wait_port "$host" any 445
}

# smb FROM ADDRESS SHARE COMMANDS
smb() {
    on "$1" smbclient -s /dev/null "//$2/$3" -U 'OFFICE/svc-deploy%Winter2026' -c "$4"
}

# ftp_up HOST DIRECTORY [SETTING...]: anonymous, read-only vsftpd.
ftp_up() {
    local dir=$WORK/ftp-$1 host=$1 root=$2
    shift 2
    [ $# -gt 0 ] || set -- local_enable=NO
    mkdir -p "$dir" /var/run/vsftpd/empty
    cat >"$dir/vsftpd.conf" <<CONF
listen=YES
anonymous_enable=YES
anon_root=$root
no_anon_password=YES
background=NO
seccomp_sandbox=NO
pasv_min_port=50000
pasv_max_port=50009
$(printf '%s\n' "$@")
CONF
    chmod 755 "$WORK" "$root"
    daemon "$host" "vsftpd-$host" /usr/sbin/vsftpd "$dir/vsftpd.conf"
    wait_port "$host" any 21
}

# rsync_up HOST MODULE DIRECTORY
rsync_up() {
    local dir=$WORK/rsync-$1
    mkdir -p "$dir" "$3"
    printf 'use chroot = no\nuid = root\ngid = root\nlog file = %s/log\n[%s]\npath = %s\nread only = no\n' \
        "$dir" "$2" "$3" >"$dir/rsyncd.conf"
    daemon "$1" "rsyncd-$1" rsync --daemon --no-detach "--config=$dir/rsyncd.conf"
    wait_port "$1" any 873
}

# dns_up HOST NAME OPTION...: dnsmasq without any of the machine's own names.
dns_up() {
    local host=$1 name=$2
    shift 2
    daemon "$host" "dnsmasq-$name" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-hosts \
        --no-resolv --pid-file= --user=root "$@"
}

# ntp_up HOST ADDRESS: a chrony server that leaves the clock alone.
ntp_up() {
    mkdir -p "$WORK/chrony"
    printf 'local stratum 2\nallow all\nbindaddress %s\ncmdport 0\nbindcmdaddress /\npidfile %s/pid\n' \
        "$2" "$WORK/chrony" >"$WORK/chrony/chrony.conf"
    daemon "$1" chronyd chronyd -x -d -u root -f "$WORK/chrony/chrony.conf"
}

# use_resolver HOST ADDRESS: who is asked for names.
use_resolver() {
    printf 'nameserver %s\n' "$2" >"/etc/netns/$NET-$1/resolv.conf"
}

# fetch HOST URL...
fetch() {
    local host=$1 url
    shift
    for url; do on "$host" curl -q -s -o /dev/null --max-time 20 "$url"; done
}

# windows_program FILE BYTES: the headers that a program of Windows begins with, then nothing.
windows_program() {
    mkdir -p "$(dirname "$1")"
    {
        printf 'MZ\220\0\3\0\0\0\4\0\0\0\377\377\0\0'
        head -c 44 /dev/zero
        printf '\200\0\0\0'
        head -c 64 /dev/zero
        printf 'PE\0\0\144\206\1\0'
        head -c "$(($2 - 136))" /dev/zero
    } >"$1"
}

# package_mirror DIRECTORY: a repository of Debian packages in which there is one.
package_mirror() {
    local tree=$WORK/package deb=$1/notes_1.0_all.deb
    mkdir -p "$1" "$tree/DEBIAN" "$tree/usr/share/notes"
    text_file "$tree/usr/share/notes/notes.txt" 60000
    head -c 20000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 -out "$tree/usr/share/notes/data" 2>/dev/null
    printf 'Package: notes\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@mirror.example>\nDescription: notes\n' \
        >"$tree/DEBIAN/control"
    dpkg-deb --build --root-owner-group "$tree" "$deb" >/dev/null
    {
        cat "$tree/DEBIAN/control"
        printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n' "${deb##*/}" "$(stat -c %s "$deb")" \
            "$(sha256sum "$deb" | cut -d' ' -f1)"
    } >"$1/Packages"
}

# update_packages HOST URL: what apt does every day, with nothing of this machine's.
update_packages() {
    local dir=$WORK/apt-$1
    mkdir -p "$dir"/{etc/apt.conf.d,etc/preferences.d,etc/trusted.gpg.d,state/lists/partial,cache/archives/partial,log}
    printf 'deb [trusted=yes allow-insecure=yes] %s ./\n' "$2" >"$dir/etc/sources.list"
    touch "$dir/state/status"
    local options=(-o "Dir::Etc=$dir/etc" -o "Dir::State=$dir/state" -o "Dir::State::status=$dir/state/status"
        -o "Dir::Cache=$dir/cache" -o "Dir::Log=$dir/log" -o APT::Sandbox::User=root -o Acquire::Languages=none
        -o Acquire::http::Proxy=false)
    on "$1" env APT_CONFIG=/dev/null apt-get -q "${options[@]}" update >"$dir/update.log" 2>&1
    (cd "$dir" && on "$1" env APT_CONFIG=/dev/null apt-get -q "${options[@]}" download notes) >>"$dir/update.log" 2>&1
}

# user_up HOST NAME PASSWORD: somebody who may sign in there and nowhere else.
user_up() {
    local dir=/etc/netns/$NET-$1
    mkdir -p "$WORK/home-$2"
    cp /etc/passwd "$dir/passwd"
    printf '%s:x:5000:5000::%s:/bin/sh\n' "$2" "$WORK/home-$2" >>"$dir/passwd"
    printf 'root:*:20000:0:99999:7:::\n%s:%s:20000:0:99999:7:::\n' "$2" "$(openssl passwd -6 -salt capture "$3")" >"$dir/shadow"
    chown 5000:5000 "$WORK/home-$2"
}

# wordlist FILE COUNT PASSWORD: wrong passwords, then the right one.
wordlist() {
    seq -f 'summer%g' "$2" >"$1"
    printf '%s\n' "$3" >>"$1"
}

# ssh_typed HOST ADDRESS USER PASSWORD...: a person who types these passwords, as long as asked for more.
ssh_typed() {
    local host=$1 address=$2 user=$3 typed=$WORK/typed-$1
    shift 3
    printf '%s\n' "$@" >"$typed"
    printf '#!/bin/sh\nsleep 2\nhead -n 1 %s\nsed -i 1d %s\n' "$typed" "$typed" >"$typed.sh"
    chmod 755 "$typed.sh"
    on "$host" env DISPLAY=:0 SSH_ASKPASS="$typed.sh" SSH_ASKPASS_REQUIRE=force ssh -F /dev/null -q \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no \
        -l "$user" "$address" 'uname -n; sleep 3; id' </dev/null >/dev/null || true
}
