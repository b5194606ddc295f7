# shellcheck shell=bash
# Captures of hosts with roles: backup servers, and SMB to many hosts. What has which role stands in
# captures/NAME.toml.

# backup_hosts: two backup servers with SSH, WinRM and an API for snapshots.
backup_hosts() {
    local n
    for n in 30 31; do
        host_up "bak-$n" "$n"
        ssh_up "bak-$n"
        daemon "bak-$n" "winrm-$n" "$HERE/client.py" serve --port 5985 --reply 900
        daemon "bak-$n" "api-$n" "$HERE/client.py" serve --port 9000 --reply 30
        wait_port "bak-$n" any 5985
        wait_port "bak-$n" any 9000
    done
}

# winrm HOST ADDRESS: one command of a remote shell.
winrm() {
    on "$1" curl -q -s -o /dev/null -A 'Microsoft WinRM Client' -H 'Content-Type: application/soap+xml' \
        -d '<s:Envelope><s:Body>Command</s:Body></s:Envelope>' "http://$2:5985/wsman"
}

# delete_snapshots HOST ADDRESS COUNT
delete_snapshots() {
    local n
    for n in $(seq "$3"); do
        on "$1" curl -q -s -o /dev/null -X DELETE "http://$2:9000/api/v1/snapshots/2026-11-0$n"
        sleep 1
    done
}

# A workstation that is no administrator's looks over both backup servers, and deletes what they keep.
record_backup_destruction() {
    net_up
    backup_hosts
    host_up ws-66 66
    host_up fs 10
    capture_on sw br0 "$RAW"
    on fs curl -q -s -o /dev/null -d 'snapshot of today' "http://$LAN4.30:9000/api/v1/snapshots"
    sleep 2
    ssh_to ws-66 "$LAN4.30" 'uname -n; sleep 1; id' >/dev/null
    ssh_to ws-66 "$LAN4.31" 'uname -n; sleep 1; id' >/dev/null
    sleep 2
    winrm ws-66 "$LAN4.30"
    sleep 2
    delete_snapshots ws-66 "$LAN4.30" 5
    capture_end
}

# The backup administrator does all of that; a workstation reads what there is on one server.
record_near_miss_backup() {
    net_up
    backup_hosts
    host_up admin 40
    host_up ws-67 67
    capture_on sw br0 "$RAW"
    ssh_to admin "$LAN4.30" 'uname -n; sleep 1; id' >/dev/null
    ssh_to admin "$LAN4.31" 'uname -n; sleep 1; id' >/dev/null
    winrm admin "$LAN4.30"
    sleep 2
    delete_snapshots admin "$LAN4.30" 3
    for _ in 1 2 3; do
        fetch ws-67 "http://$LAN4.30:9000/api/v1/snapshots"
        sleep 2
    done
    on ws-67 curl -q -s -o /dev/null -X DELETE "http://$LAN4.30:9000/api/v1/snapshots/mine"
    capture_end
}

# file_servers COUNT: as many hosts with a share, from 10.1.0.10 on.
file_servers() {
    local n
    mkdir -p "$WORK/share"
    text_file "$WORK/share/plan.txt" 8000
    for n in $(seq "$1"); do
        host_up "fs-$n" "$((n + 9))"
        smb_up "fs-$n" data "$WORK/share"
    done
}

# read_shares HOST COUNT: lists and reads what each server shares.
read_shares() {
    local n
    for n in $(seq "$2"); do
        smb "$1" "$LAN4.$((n + 9))" data "ls; get plan.txt $WORK/got-$n" >/dev/null 2>&1
        sleep 1
    done
}

# One workstation goes through every host with a share.
record_smb_fan_out() {
    net_up
    file_servers 7
    host_up ws-66 66
    capture_on sw br0 "$RAW"
    read_shares ws-66 7
    capture_end
}

# Four servers, several times over: what a workstation with its drives does.
record_near_miss_smb() {
    net_up
    file_servers 4
    host_up ws-67 67
    capture_on sw br0 "$RAW"
    read_shares ws-67 4
    read_shares ws-67 4
    capture_end
}
