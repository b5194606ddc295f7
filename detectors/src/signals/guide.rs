//! What each signal fires on, is blind to, and knows as noise: what stands at the top of its file.

use crate::SignalKind;

/// What is to be known of a signal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guide {
    /// One sentence.
    pub title: String,
    /// Headings with a paragraph each: when it fires, what it is blind to, known noise, its state.
    pub sections: Vec<(&'static str, String)>,
}

/// The headings, in their order.
const HEADINGS: [&str; 4] = ["Fires when", "Blind to", "Known noise", "State"];

impl Guide {
    /// Reads the comment at the top of a file.
    fn of(header: &str) -> Self {
        let mut lines = header.lines().map(|line| {
            let line = line.strip_prefix("//!").unwrap_or(line);
            line.strip_prefix(' ').unwrap_or(line).trim_end()
        });
        let title = lines.next().unwrap_or_default();
        let mut sections: Vec<(&'static str, String)> = Vec::new();
        for line in lines {
            let heading = HEADINGS
                .into_iter()
                .find(|heading| line.starts_with(heading));
            if let Some(heading) = heading {
                let text = line.get(heading.len()..).unwrap_or_default();
                sections.push((heading, text.trim().to_owned()));
            } else if let Some((_, text)) = sections.last_mut()
                && !line.trim().is_empty()
            {
                text.push(' ');
                text.push_str(line.trim());
            }
        }
        Self {
            title: title.to_owned(),
            sections,
        }
    }
}

/// How long the comment at the top of a file is.
const fn header_len(source: &str) -> usize {
    let bytes = source.as_bytes();
    let mut rest = bytes;
    while let Some((line, after)) = split_line(rest) {
        if !matches!(line, [b'/', b'/', b'!', ..]) {
            break;
        }
        rest = after;
    }
    bytes.len() - rest.len()
}

/// The first line with its end, and what is after it.
const fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut rest, mut len) = (bytes, 0);
    while let [byte, after @ ..] = rest {
        len += 1;
        rest = after;
        if *byte == b'\n' {
            return bytes.split_at_checked(len);
        }
    }
    None
}

/// Its bytes; of the rest of the file nothing is kept.
const fn header<const LEN: usize>(source: &str) -> [u8; LEN] {
    match source.as_bytes().first_chunk() {
        Some(header) => *header,
        None => [b' '; LEN],
    }
}

macro_rules! guides {
    ($($kind:ident $file:literal)*) => {
        impl SignalKind {
            /// What is to be known of it.
            pub fn guide(self) -> Guide {
                let header: &[u8] = match self {
                    $(Self::$kind => {
                        const SOURCE: &str = include_str!(concat!($file, ".rs"));
                        static HEADER: [u8; header_len(SOURCE)] = header(SOURCE);
                        &HEADER
                    })*
                };
                Guide::of(str::from_utf8(header).unwrap_or_default())
            }
        }
    };
}

guides! {
    PortScan "port_scan"
    ConnectionSpike "connection_spike"
    PrivilegedAccess "privileged_access"
    PeriodicBeacon "periodic_beacon"
    PersistentDestination "persistent_destination"
    CommandExchange "command_exchange"
    DataStaging "data_staging"
    OutboundSpike "outbound_spike"
    DestinationDiversity "destination_diversity"
    FanInDdos "fan_in_ddos"
    FanOutScan "fan_out_scan"
    SynBurst "syn_burst"
    DnsQueryBurst "dns_query_burst"
    HighEntropyDns "high_entropy_dns"
    EncodedTunnelingPattern "encoded_tunneling_pattern"
    ExecutableFileDownload "executable_file_download"
    RareExternalSource "rare_external_source"
    PostDownloadBeacon "post_download_beacon"
    BruteForce "brute_force"
    IcmpTunnel "icmp_tunnel"
    ProtocolOnWrongPort "protocol_on_wrong_port"
    LongBeacon "long_beacon"
    LongConnection "long_connection"
    Strobe "strobe"
    SmbFanOut "smb_fan_out"
    BackupServerContact "backup_server_contact"
    AdminManagementProtocol "admin_management_protocol"
    DestructiveRecoveryAction "destructive_recovery_action"
    ThreatListMatch "threat_list_match"
    RareUpload "rare_upload"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_says_the_same_about_itself() {
        for kind in SignalKind::ALL {
            let guide = kind.guide();
            assert!(guide.title.starts_with(kind.name()), "{kind}: {guide:#?}");
            let headings: Vec<&str> = guide.sections.iter().map(|(heading, _)| *heading).collect();
            assert_eq!(headings, HEADINGS, "{kind}: {guide:#?}");
            let whole = |(_, text): &(&str, String)| text.ends_with('.') && !text.contains("  ");
            assert!(guide.sections.iter().all(whole), "{kind}: {guide:#?}");
        }
    }

    #[test]
    fn a_header_ends_where_the_code_begins() {
        const SOURCE: &str = "//! A\n//!\n//! Blind to     b\n//!              c.\n\nuse x;\n";
        let guide = Guide::of(&SOURCE[..header_len(SOURCE)]);
        assert_eq!(guide.title, "A");
        assert_eq!(guide.sections, [("Blind to", "b c.".to_owned())]);
    }
}
