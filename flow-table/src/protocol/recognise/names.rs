//! The protocols that are recognised, and what conn.log calls them.

use crate::IpProto;
use crate::protocol::Service;

/// A protocol that can be recognised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "they are the names of protocols")]
pub enum Protocol {
    BitTorrent,
    DceRpc,
    Dhcp,
    Dnp3,
    Dns,
    Dtls,
    Ftp,
    Http,
    Imap,
    Irc,
    Kerberos,
    Ldap,
    Modbus,
    Mqtt,
    Mysql,
    Ntp,
    Pop3,
    Postgresql,
    Quic,
    Radius,
    Rdp,
    RdpUdp,
    Redis,
    Rfb,
    Rtp,
    Sip,
    Smb,
    Smtp,
    Snmp,
    Socks,
    Ssh,
    Stun,
    Syslog,
    Telnet,
    Tls,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 35] = [
        Self::BitTorrent,
        Self::DceRpc,
        Self::Dhcp,
        Self::Dnp3,
        Self::Dns,
        Self::Dtls,
        Self::Ftp,
        Self::Http,
        Self::Imap,
        Self::Irc,
        Self::Kerberos,
        Self::Ldap,
        Self::Modbus,
        Self::Mqtt,
        Self::Mysql,
        Self::Ntp,
        Self::Pop3,
        Self::Postgresql,
        Self::Quic,
        Self::Radius,
        Self::Rdp,
        Self::RdpUdp,
        Self::Redis,
        Self::Rfb,
        Self::Rtp,
        Self::Sip,
        Self::Smb,
        Self::Smtp,
        Self::Snmp,
        Self::Socks,
        Self::Ssh,
        Self::Stun,
        Self::Syslog,
        Self::Telnet,
        Self::Tls,
    ];

    /// What conn.log calls it over `proto`.
    pub const fn service(self, proto: IpProto) -> Service {
        let tcp = proto.0 == IpProto::TCP.0;
        Service(match self {
            Self::BitTorrent => "bittorrent",
            Self::DceRpc => "dce_rpc",
            Self::Dhcp => "dhcp",
            Self::Dnp3 if tcp => "dnp3_tcp",
            Self::Dnp3 => "dnp3_udp",
            Self::Dns => "dns",
            Self::Dtls => "dtls",
            Self::Ftp => "ftp",
            Self::Http => "http",
            Self::Imap => "imap",
            Self::Irc => "irc",
            Self::Kerberos if tcp => "krb_tcp",
            Self::Kerberos => "krb",
            Self::Ldap if tcp => "ldap_tcp",
            Self::Ldap => "ldap_udp",
            Self::Modbus => "modbus",
            Self::Mqtt => "mqtt",
            Self::Mysql => "mysql",
            Self::Ntp => "ntp",
            Self::Pop3 => "pop3",
            Self::Postgresql => "postgresql",
            Self::Quic => "quic",
            Self::Radius => "radius",
            Self::Rdp => "rdp",
            Self::RdpUdp => "rdpeudp",
            Self::Redis => "redis",
            Self::Rfb => "rfb",
            Self::Rtp => "rtp",
            Self::Sip => "sip",
            Self::Smb => "smb",
            Self::Smtp => "smtp",
            Self::Snmp => "snmp",
            Self::Socks => "socks",
            Self::Ssh => "ssh",
            Self::Stun => "stun",
            Self::Syslog => "syslog",
            Self::Telnet => "telnet",
            Self::Tls => "ssl",
        })
    }

    /// Whether it may go over to TLS in midstream, by STARTTLS or the like: who recognised it
    /// should look for [a hello](super::is_client_hello) at the beginning of segments.
    pub const fn may_start_tls(self) -> bool {
        matches!(
            self,
            Self::Ftp
                | Self::Imap
                | Self::Irc
                | Self::Ldap
                | Self::Mysql
                | Self::Pop3
                | Self::Postgresql
                | Self::Smtp
        )
    }
}
