//! How to check a signal by hand: what to count in the logs, in commands of every shell.

use detectors::SignalKind;

/// What the commands use: picks columns of a log by name, of logs with tabs.
pub(super) const COLUMNS: &str = r#"h=10.1.0.66 d=203.0.113.9   # the source and the destination that the detection names
col() { awk -F'\t' -v want="$*" '/^#fields/ {n = split(want, w, " "); for (i = 2; i <= NF; i++) at[$i] = i - 1}
    /^#/ {next} {s = $(at[w[1]]); for (i = 2; i <= n; i++) s = s "\t" $(at[w[i]]); print s}'; }"#;

/// What to look at, and the commands; `h` is the source and `d` the destination.
#[expect(clippy::too_many_lines, reason = "one flat match")]
pub(super) const fn check(kind: SignalKind) -> (&'static str, &'static str) {
    match kind {
        SignalKind::PortScan => (
            "how many ports, on how many hosts, in each minute",
            r#"col ts id.orig_h id.resp_h id.resp_p <conn.log | awk -v h="$h" '$2 == h {print int($1 / 60) * 60, $4}' | sort -u | cut -d' ' -f1 | uniq -c"#,
        ),
        SignalKind::ConnectionSpike => (
            "connections in each minute; what is usual stands beside the peak",
            r#"col ts id.orig_h <conn.log | awk -v h="$h" '$2 == h {print int($1 / 60) * 60}' | sort | uniq -c"#,
        ),
        SignalKind::PrivilegedAccess => (
            "which services on which hosts",
            r#"col id.orig_h id.resp_h id.resp_p service <conn.log | awk -v h="$h" '$1 == h && $3 ~ /^(22|445|3389|5985|5986)$/' | sort | uniq -c"#,
        ),
        SignalKind::PeriodicBeacon => (
            "the gaps between connections to one service, in seconds",
            r#"col ts id.orig_h id.resp_h id.resp_p <conn.log | awk -v h="$h" -v d="$d" '$2 == h && $3 == d {print $4, $1}' | sort -k1,1n -k2,2n | awk '$1 == p {print $1, $2 - t} {p = $1; t = $2}'"#,
        ),
        SignalKind::PersistentDestination => (
            "who contacts the destination, and how often",
            r#"col id.orig_h id.resp_h <conn.log | awk -v d="$d" '$2 == d {print $1}' | sort | uniq -c | sort -rn"#,
        ),
        SignalKind::CommandExchange => (
            "bytes sent and received by each flow",
            r#"col ts uid id.orig_h id.resp_h orig_bytes resp_bytes <conn.log | awk -v h="$h" -v d="$d" '$3 == h && $4 == d {print $1, $2, $5, $6}'"#,
        ),
        SignalKind::DataStaging => (
            "bytes received from each internal host over services that move files",
            r#"col id.orig_h id.resp_h id.resp_p resp_bytes <conn.log | awk -v h="$h" '$1 == h && $3 ~ /^(445|139|22|21|20|2049|873)$/ {n[$2 " " $3] += $4} END {for (k in n) print n[k], k}' | sort -rn"#,
        ),
        SignalKind::OutboundSpike => (
            "bytes sent and received in five minutes each",
            r#"col ts id.orig_h orig_bytes resp_bytes <conn.log | awk -v h="$h" '$2 == h {t = int($1 / 300) * 300; s[t] += $3; r[t] += $4} END {for (t in s) print t, s[t], r[t]}' | sort -n"#,
        ),
        SignalKind::DestinationDiversity => (
            "destinations by what was sent to them",
            r#"col id.orig_h id.resp_h orig_bytes <conn.log | awk -v h="$h" '$1 == h {n[$2] += $3} END {for (d in n) if (n[d] > 100000) print n[d], d}' | sort -rn"#,
        ),
        SignalKind::FanInDdos => (
            "sources and packets in ten seconds each",
            r#"col ts id.orig_h id.resp_h orig_pkts <conn.log | awk -v d="$d" '$3 == d {t = int($1 / 10) * 10; p[t] += $4; if (!s[t, $2]++) n[t]++} END {for (t in p) print t, n[t], p[t]}' | sort -n"#,
        ),
        SignalKind::FanOutScan => (
            "destinations by how their flows ended: S0 was not answered, REJ was refused",
            r#"col id.orig_h id.resp_h conn_state <conn.log | awk -v h="$h" '$1 == h {print $2, $3}' | sort -u | awk '{print $2}' | sort | uniq -c"#,
        ),
        SignalKind::SynBurst => (
            "flows by how they ended, to the destination and from the source: S0 and SH never completed",
            r#"col id.orig_h id.resp_h proto conn_state <conn.log | awk -v h="$h" -v d="$d" '$3 == "tcp" && ($1 == h || $2 == d) {print $4}' | sort | uniq -c"#,
        ),
        SignalKind::DnsQueryBurst => (
            "queries, and distinct names, in five minutes each",
            r#"col ts id.orig_h query <dns.log | awk -v h="$h" '$2 == h {t = int($1 / 300) * 300; q[t]++; if (!s[t, $3]++) n[t]++} END {for (t in q) print t, q[t], n[t]}' | sort -n"#,
        ),
        SignalKind::HighEntropyDns => (
            "the longest names that were asked for",
            r#"col id.orig_h query qtype_name <dns.log | awk -v h="$h" '$1 == h {print length($2), $3, $2}' | sort -rn | uniq | sed -n 1,20p"#,
        ),
        SignalKind::EncodedTunnelingPattern => (
            "names below each domain, by its last two labels",
            r#"col id.orig_h query <dns.log | awk -v h="$h" '$1 == h {n = split($2, l, "."); if (n > 2) print $2, l[n - 1] "." l[n]}' | sort -u | awk '{print $2}' | sort | uniq -c | sort -rn"#,
        ),
        SignalKind::ExecutableFileDownload => (
            "what was fetched, by how it begins, and from where",
            r#"col uid id.orig_h source mime_type seen_bytes filename <files.log | awk -v h="$h" '$2 == h'; col uid id.orig_h host uri resp_mime_types <http.log | awk -v h="$h" '$2 == h'"#,
        ),
        SignalKind::RareExternalSource => (
            "who else contacts the destination, and since when",
            r#"col ts id.orig_h id.resp_h <conn.log | awk -v d="$d" '$3 == d {if (!($2 in f) || $1 < f[$2]) f[$2] = $1} END {for (h in f) print f[h], h}' | sort -n"#,
        ),
        SignalKind::PostDownloadBeacon => (
            "destinations by first contact: those after the download are new",
            r#"col ts id.orig_h id.resp_h id.resp_p <conn.log | awk -v h="$h" '$2 == h {k = $3 " " $4; n[k]++; if (!(k in f)) f[k] = $1} END {for (k in f) print f[k], n[k], k}' | sort -n"#,
        ),
        SignalKind::BruteForce => (
            "sessions by service and length; for SSH whether somebody got in; refusals of FTP",
            r#"col ts id.orig_h id.resp_h id.resp_p duration conn_state <conn.log | awk -v h="$h" '$2 == h'; col ts id.orig_h id.resp_h auth_success auth_attempts <ssh.log | awk -v h="$h" '$2 == h'; col ts id.orig_h user reply_code reply_msg <ftp.log | awk -v h="$h" '$2 == h && $4 == 530'"#,
        ),
        SignalKind::IcmpTunnel => (
            "bytes of echo messages; what they carried is in the packets alone",
            r#"col ts uid id.orig_h id.resp_h proto orig_bytes resp_bytes orig_pkts resp_pkts <conn.log | awk -v h="$h" '$3 == h && $5 == "icmp"'"#,
        ),
        SignalKind::ProtocolOnWrongPort => (
            "services by port",
            r#"col id.orig_h id.resp_h id.resp_p service <conn.log | awk -v h="$h" '$1 == h && $4 != "-" {print $3, $4}' | sort | uniq -c"#,
        ),
        SignalKind::LongBeacon => (
            "connections in each hour, with the bytes they sent",
            r#"col ts id.orig_h id.resp_h orig_bytes <conn.log | awk -v h="$h" -v d="$d" '$2 == h && $3 == d {t = int($1 / 3600) * 3600; n[t]++; b[t] += $4} END {for (t in n) print t, n[t], b[t]}' | sort -n"#,
        ),
        SignalKind::LongConnection => (
            "the longest flows",
            r#"col duration uid id.orig_h id.resp_h id.resp_p service <conn.log | awk -v h="$h" '$3 == h && $1 != "-"' | sort -rn | sed -n 1,20p"#,
        ),
        SignalKind::Strobe => (
            "connections of the pair in each hour",
            r#"col ts id.orig_h id.resp_h <conn.log | awk -v h="$h" -v d="$d" '$2 == h && $3 == d {print int($1 / 3600) * 3600}' | sort | uniq -c"#,
        ),
        SignalKind::RareUpload => (
            "bytes sent and received in each hour; and who else contacts the destination",
            r#"col ts id.orig_h id.resp_h orig_bytes resp_bytes <conn.log | awk -v h="$h" -v d="$d" '$2 == h && $3 == d {t = int($1 / 3600) * 3600; s[t] += $4; r[t] += $5} END {for (t in s) print t, s[t], r[t]}' | sort -n; col id.orig_h id.resp_h <conn.log | awk -v d="$d" '$2 == d {print $1}' | sort | uniq -c"#,
        ),
        SignalKind::SmbFanOut => (
            "hosts it went to over SMB, by first contact",
            r#"col ts id.orig_h id.resp_h id.resp_p <conn.log | awk -v h="$h" '$2 == h && ($4 == 445 || $4 == 139) {n[$3]++; if (!($3 in f)) f[$3] = $1} END {for (d in f) print f[d], n[d], d}' | sort -n"#,
        ),
        SignalKind::BackupServerContact => (
            "whom it contacted; backup servers are those of [detectors.roles]",
            r#"col ts id.orig_h id.resp_h id.resp_p <conn.log | awk -v h="$h" '$2 == h {print $3, $4}' | sort | uniq -c"#,
        ),
        SignalKind::AdminManagementProtocol => (
            "ways to administer the backup server, by port",
            r#"col id.orig_h id.resp_h id.resp_p <conn.log | awk -v h="$h" -v d="$d" '$1 == h && $2 == d && $3 ~ /^(22|3389|5985|5986|445|135)$/ {print $3}' | sort | uniq -c"#,
        ),
        SignalKind::ThreatListMatch => (
            "flows with what the list names: an address, a name that was asked for, a server's name, a fingerprint",
            r#"col ts uid id.orig_h id.resp_h id.resp_p <conn.log | awk -v d="$d" '$3 == d || $4 == d'; col ts uid query <dns.log; col ts uid server_name ja3 ja4 <ssl.log"#,
        ),
        SignalKind::DestructiveRecoveryAction => (
            "what it had deleted, and whether that was done",
            r#"col ts uid id.orig_h id.resp_h method uri status_code <http.log | awk -v h="$h" '$3 == h && $5 == "DELETE"'"#,
        ),
    }
}
