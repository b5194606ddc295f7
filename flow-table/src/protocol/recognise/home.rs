//! The ports on which one expects a protocol.

use super::Protocol;
use crate::IpProto;
use crate::protocol::Service;

/// Whether a service over `proto` may be expected on `port`; of one that nobody recognises, nothing
/// else is known.
pub fn is_at_home(service: Service, proto: IpProto, port: u16) -> bool {
    let known = Protocol::ALL.iter();
    let mut same = known.filter(|protocol| protocol.service(proto) == service);
    same.next().is_none_or(|protocol| protocol.is_at_home(port))
}

impl Protocol {
    /// Whether a service on `port` is where one expects it.
    pub const fn is_at_home(self, port: u16) -> bool {
        match self {
            // Peers agree on ports as they like.
            Self::BitTorrent | Self::DceRpc | Self::Dtls | Self::Rtp | Self::Stun => true,
            Self::Dhcp => matches!(port, 67 | 68 | 4011),
            Self::Dnp3 => port == 20000,
            Self::Dns => matches!(port, 53 | 137 | 5353 | 5355),
            Self::Ftp => matches!(port, 21 | 2811),
            Self::Http => matches!(
                port,
                80 | 81 | 631 | 1080 | 3128 | 8000..=8090 | 8888 | 5985
            ),
            Self::Imap => matches!(port, 143 | 993),
            Self::Irc => matches!(port, 6660..=6669 | 6697 | 7000),
            Self::Kerberos => matches!(port, 88 | 464),
            Self::Ldap => matches!(port, 389 | 636 | 3268 | 3269),
            Self::Modbus => port == 502,
            Self::Mqtt => matches!(port, 1883 | 8883),
            Self::Mysql => matches!(port, 3306 | 33060 | 1434),
            Self::Ntp => port == 123,
            Self::Pop3 => matches!(port, 110 | 995),
            Self::Postgresql => port == 5432,
            Self::Quic => matches!(port, 443 | 80 | 853 | 8443),
            Self::Radius => matches!(port, 1812 | 1813 | 1645 | 1646),
            Self::Rdp | Self::RdpUdp => port == 3389,
            Self::Redis => matches!(port, 6379 | 26379),
            Self::Rfb => matches!(port, 5900..=5999),
            Self::Sip => matches!(port, 5060 | 5061),
            Self::Smb => matches!(port, 139 | 445),
            Self::Smtp => matches!(port, 25 | 465 | 587 | 2525),
            Self::Snmp => matches!(port, 161 | 162),
            Self::Socks => matches!(port, 1080 | 9050 | 10_080),
            Self::Ssh => matches!(port, 22 | 830),
            Self::Syslog => matches!(port, 514 | 601 | 6514),
            Self::Telnet => matches!(port, 23 | 992),
            Self::Tls => is_tls_port(port),
        }
    }
}

const fn is_tls_port(port: u16) -> bool {
    matches!(
        port,
        443 | 465
            | 563
            | 585
            | 614
            | 636
            | 853
            | 989
            | 990
            | 992
            | 993
            | 995
            | 3269
            | 5061
            | 5223
            | 5228
            | 5671
            | 6514
            | 6697
            | 8443
            | 8883
            | 9443
    )
}
