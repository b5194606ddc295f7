//! known_hosts.log and known_services.log: local hosts that completed a handshake, and what they
//! serve, each once a day of packet time.

use std::net::IpAddr;

use flow_table::protocol::Service;
use flow_table::{ConnState, FlowRecord, IpProto, Span, Timestamp};

use super::fields::Fields;
use super::local::is_local;
use super::protocols::Kind;
use super::recent::Recent;
use crate::config::Log;

pub(super) const HOSTS: Kind = Kind::of(Log::KnownHosts, &[("ts", "time"), ("host", "addr")], &[]);
pub(super) const SERVICES: Kind = Kind::of(
    Log::KnownServices,
    &[("ts", "time"), ("host", "addr")],
    &[
        ("port_num", "port"),
        ("port_proto", "enum"),
        ("service", "set[string]"),
    ],
);

const DAY: Span = Span::from_mins(24 * 60);
/// What an FTP server sends files from is no service.
const FTP_DATA: Service = Service("ftp-data");

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Known {
    hosts: Recent<IpAddr>,
    services: Recent<(IpAddr, u16, IpProto, Service)>,
}

impl Known {
    /// Whether a host that completed a handshake is to be told.
    pub(super) fn is_new_host(&mut self, host: IpAddr, now: Timestamp) -> bool {
        is_local(host) && self.hosts.is_new(host, now, DAY)
    }

    /// Whether what a flow that ended shows of its responder is to be told.
    pub(super) fn is_new_service(&mut self, flow: &FlowRecord) -> bool {
        if !is_local(flow.id.resp.addr) || !was_served(flow) {
            return false;
        }
        let services = flow.services.as_slice();
        if services == [FTP_DATA] {
            return false;
        }
        let (resp, proto) = (flow.id.resp, flow.id.proto);
        let mut new = false;
        for service in services {
            let key = (resp.addr, resp.port, proto, *service);
            new |= self.services.is_new(key, flow.end, DAY);
        }
        new
    }
}

/// Whether the responder did more than refuse.
const fn was_served(flow: &FlowRecord) -> bool {
    match flow.id.proto {
        IpProto::TCP => matches!(
            flow.state,
            ConnState::S1
                | ConnState::S2
                | ConnState::S3
                | ConnState::Sf
                | ConnState::Rsto
                | ConnState::Rstr
        ),
        IpProto::UDP => flow.traffic.resp.bytes > 0,
        _ => false,
    }
}

pub(super) fn write_host(fields: &mut Fields<'_>, ts: Timestamp, host: IpAddr) {
    fields.time(ts);
    fields.maybe_addr(Some(host));
}

pub(super) fn write_service(fields: &mut Fields<'_>, flow: &FlowRecord) {
    write_host(fields, flow.end, flow.id.resp.addr);
    fields.count(flow.id.resp.port.into());
    fields.name(match flow.id.proto {
        IpProto::TCP => "tcp",
        _ => "udp",
    });
    let services = flow.services.as_slice().iter();
    // As Zeek names its analyzers.
    let names: Vec<String> = services.map(|service| service.0.to_uppercase()).collect();
    fields.texts(&names);
}

#[cfg(test)]
mod tests {
    use flow_table::{Endpoint, FlowId, History, PerSide, Services, Traffic, Uid};

    use super::*;

    const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

    fn flow(resp: &str, proto: IpProto, state: ConnState, services: &[&'static str]) -> FlowRecord {
        let mut traffic = PerSide::<Traffic>::default();
        traffic.resp.bytes = u64::from(state == ConnState::Sf);
        FlowRecord {
            uid: Uid::from_bits(1),
            id: FlowId {
                orig: Endpoint::new([10, 0, 0, 1], 40_000),
                resp: Endpoint::new(resp.parse::<IpAddr>().unwrap(), 80),
                proto,
            },
            start: T0,
            last: T0,
            end: T0,
            traffic,
            state,
            history: History::default(),
            missed_bytes: 0,
            evicted: false,
            parents: Vec::new(),
            services: services
                .iter()
                .map(|name| Service(name))
                .collect::<Services>(),
            link: None,
        }
    }

    #[test]
    fn services_are_told_of_local_hosts_that_serve() {
        use ConnState::{S0, Sf};
        const LOCAL: &str = "10.0.0.2";
        // Who, over what, how it ended, what was spoken, and whether that is told.
        type Case<'a> = (
            &'a str,
            &'a str,
            IpProto,
            ConnState,
            &'a [&'static str],
            bool,
        );
        let cases: [Case<'_>; 9] = [
            ("one", LOCAL, IpProto::TCP, Sf, &["http"], true),
            ("the same", LOCAL, IpProto::TCP, Sf, &["http"], false),
            (
                "one more",
                LOCAL,
                IpProto::TCP,
                Sf,
                &["http", "websocket"],
                true,
            ),
            ("over UDP", LOCAL, IpProto::UDP, Sf, &["http"], true),
            ("unanswered", LOCAL, IpProto::UDP, S0, &["dns"], false),
            (
                "never established",
                LOCAL,
                IpProto::TCP,
                S0,
                &["ssh"],
                false,
            ),
            ("elsewhere", "198.18.0.1", IpProto::TCP, Sf, &["ssh"], true),
            ("far away", "8.8.8.8", IpProto::TCP, Sf, &["ssh"], false),
            (
                "a file's way",
                LOCAL,
                IpProto::TCP,
                Sf,
                &["ftp-data"],
                false,
            ),
        ];
        let mut known = Known::default();
        for (name, resp, proto, state, services, want) in cases {
            let flow = flow(resp, proto, state, services);
            assert_eq!(known.is_new_service(&flow), want, "{name}");
        }
    }

    #[test]
    fn hosts_are_told_once_a_day() {
        let (mut known, host) = (Known::default(), IpAddr::from([10, 0, 0, 1]));
        for (hours, host, want) in [
            (0, host, true),
            (23, host, false),
            (24, host, true),
            (24, IpAddr::from([8, 8, 8, 8]), false),
        ] {
            let now = T0 + Span::from_mins(hours * 60);
            assert_eq!(known.is_new_host(host, now), want, "{hours} {host}");
        }
    }
}
