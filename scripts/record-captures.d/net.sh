# shellcheck shell=bash
# The network the captures are recorded in: namespaces, a switch, a router, the outside.
#
#   host ─┐
#   host ─┤ br0 (sw) ── lan rt wan ── out      out answers for 203.0.113.0/24, 198.51.100.0/24
#   host ─┘    ^                               and 2001:db8::/32
#              tcpdump: each packet once, as a mirror port would show it
#
# Everything is made per capture under the prefix $NET, so captures can be recorded side by side.

readonly LAN4=10.1.0 LAN6=fd00:1::

# Makes namespace $NET-$1 with its own host name and resolver.
ns_up() {
    local ns=$NET-$1
    ip netns add "$ns"
    mkdir -p "/etc/netns/$ns"
    printf 'nameserver %s.53\n' "$LAN4" >"/etc/netns/$ns/resolv.conf"
    printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$1" >"/etc/netns/$ns/hosts"
    ip -n "$ns" link set lo up
    ip netns exec "$ns" sysctl -qw net.ipv6.conf.default.accept_dad=0 \
        net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.router_solicitations=0
}

# Takes a host's name inside its namespace, then becomes the command.
# shellcheck disable=SC2016 # expanded by the inner shell
readonly AS_HOST='hostname "$0"; exec "$@"'

# on HOST COMMAND...: runs a command in a host's namespace, under the host's name.
on() {
    local host=$1
    shift
    ip netns exec "$NET-$host" unshare --uts sh -c "$AS_HOST" "$host" "$@"
}

# cable NS1 IF1 MAC1 NS2 IF2 MAC2: a veth pair whose senders fill in every checksum themselves.
cable() {
    ip link add "$2" netns "$NET-$1" address "$3" type veth \
        peer name "$5" netns "$NET-$4" address "$6"
    on "$1" ethtool -K "$2" tx off >/dev/null
    on "$4" ethtool -K "$5" tx off >/dev/null
    ip -n "$NET-$1" link set dev "$2" up
    ip -n "$NET-$4" link set dev "$5" up
}

# Makes the switch, the router and the outside.
net_up() {
    ns_up sw
    ns_up rt
    ns_up out
    on sw sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    ip -n "$NET-sw" link add br0 address 02:00:00:00:00:fe type bridge mcast_snooping 0
    ip -n "$NET-sw" link set br0 up
    on rt sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    cable rt lan 02:00:00:00:00:01 sw rt 02:00:00:00:01:01
    ip -n "$NET-sw" link set dev rt master br0
    cable rt wan 02:00:00:00:00:02 out eth0 02:00:00:00:00:03
    ip -n "$NET-rt" addr add "$LAN4.1/24" dev lan
    ip -n "$NET-rt" addr add "${LAN6}1/64" dev lan nodad
    ip -n "$NET-rt" addr add 192.0.2.1/30 dev wan
    ip -n "$NET-rt" addr add 2001:db8:ffff::1/64 dev wan nodad
    ip -n "$NET-rt" route add default via 192.0.2.2
    ip -n "$NET-rt" route add default via 2001:db8:ffff::2
    ip -n "$NET-out" addr add 192.0.2.2/30 dev eth0
    ip -n "$NET-out" addr add 2001:db8:ffff::2/64 dev eth0 nodad
    ip -n "$NET-out" route add 10.0.0.0/8 via 192.0.2.1
    ip -n "$NET-out" route add fd00::/8 via 2001:db8:ffff::1
    # Servers may bind to any address of these networks, though no interface has it.
    on out sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1
    local net
    for net in 203.0.113.0/24 198.51.100.0/24 2001:db8::/33; do
        ip -n "$NET-out" route add local "$net" dev lo
    done
}

# host_up NAME N: a host at 10.1.0.N and fd00:1::N, plugged into the switch.
host_up() {
    local name=$1 n=$2 mac
    mac=$(printf '02:00:0a:01:00:%02x' "$n")
    ns_up "$name"
    cable "$name" eth0 "$mac" sw "$name" "$(printf '02:00:00:00:02:%02x' "$n")"
    ip -n "$NET-sw" link set dev "$name" master br0
    ip -n "$NET-$name" addr add "$LAN4.$n/24" dev eth0
    ip -n "$NET-$name" addr add "$LAN6$n/64" dev eth0 nodad
    ip -n "$NET-$name" route add default via "$LAN4.1"
    ip -n "$NET-$name" route add default via "${LAN6}1"
}

# merge_segments: the switch ports hand over what receive offload made of the segments, up to 64 KiB a
# frame. Frames left alone keep their sender's checksum.
merge_segments() {
    local port
    for port in $(on sw sh -c 'ls /sys/class/net/br0/brif'); do
        on sw ethtool -K "$port" gro on >/dev/null
        on sw sh -c "echo 100000 >/sys/class/net/$port/gro_flush_timeout; echo 2 >/sys/class/net/$port/napi_defer_hard_irqs"
    done
}

# daemon HOST NAME COMMAND...: starts a server; its output goes to $WORK/NAME.log.
daemon() {
    local host=$1 name=$2
    shift 2
    ip netns exec "$NET-$host" unshare --uts sh -c "$AS_HOST" "$host" "$@" >"$WORK/$name.log" 2>&1 &
}

# wait_port HOST ADDRESS PORT: waits at most 10 s for a server to listen.
wait_port() {
    local tries
    for tries in $(seq 100); do
        if [ -n "$(on "$1" ss -Hltn "sport = :$3")" ]; then return; fi
        sleep 0.1
    done
    echo "${NAME:?}: nothing listens on $2 port $3 after $((tries / 10)) s" >&2
    return 1
}

# capture_on HOST INTERFACE FILE [TCPDUMP OPTION...]: returns once packets are being written.
capture_on() {
    local host=$1 interface=$2 file=$3 log=$WORK/tcpdump.${3##*/}.log
    shift 3
    ip netns exec "$NET-$host" tcpdump -Z root -B 32768 -U -n -i "$interface" -w "$file" "$@" 2>"$log" &
    CAPTURING+=("$!")
    until grep -qs 'listening on' "$log"; do
        kill -0 "$!" || { cat "$log" >&2; return 1; }
        sleep 0.1
    done
}

# Stops every tcpdump and fails if the kernel dropped packets for one of them.
capture_end() {
    local pid log
    sleep 1.5
    for pid in "${CAPTURING[@]}"; do
        kill -TERM "$pid"
        wait "$pid" || true
    done
    CAPTURING=()
    for log in "$WORK"/tcpdump.*.log; do
        grep -q '^0 packets dropped by kernel' "$log" || { cat "$log" >&2; return 1; }
    done
}

# Ends what still runs in our namespaces, and the namespaces.
net_down() {
    local ns pids
    for ns in $(ip netns list | awk -v p="$NET-" 'index($1, p) == 1 { print $1 }'); do
        pids=$(ip netns pids "$ns")
        # shellcheck disable=SC2086 # one word per process
        [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
        ip netns del "$ns"
        rm -rf "/etc/netns/$ns"
    done
}
