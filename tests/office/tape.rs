//! Writes what happens as logs, in the form that Zeek writes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::path::Path;

/// A flow, as its row tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) at: f64,
    pub(crate) from: (IpAddr, u16),
    pub(crate) to: (IpAddr, u16),
    pub(crate) proto: &'static str,
    pub(crate) service: &'static str,
    pub(crate) lasts: f64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) state: &'static str,
}

impl Flow {
    pub(crate) fn tcp(at: f64, from: (IpAddr, u16), to: (IpAddr, u16)) -> Self {
        Self {
            at,
            from,
            to,
            proto: "tcp",
            service: "-",
            lasts: 0.0,
            sent: 0,
            received: 0,
            state: "SF",
        }
    }

    pub(crate) fn udp(at: f64, from: (IpAddr, u16), to: (IpAddr, u16)) -> Self {
        Self {
            proto: "udp",
            ..Self::tcp(at, from, to)
        }
    }

    pub(crate) fn service(self, service: &'static str) -> Self {
        Self { service, ..self }
    }

    pub(crate) fn moves(self, lasts: f64, sent: u64, received: u64) -> Self {
        Self {
            lasts,
            sent,
            received,
            ..self
        }
    }

    /// Nobody answers.
    pub(crate) fn unanswered(self) -> Self {
        let (lasts, sent) = if self.proto == "tcp" {
            (3.0, 0)
        } else {
            (0.0, self.sent)
        };
        Self {
            state: "S0",
            lasts,
            sent,
            received: 0,
            ..self
        }
    }

    pub(crate) fn refused(self) -> Self {
        Self {
            state: "REJ",
            lasts: 0.001,
            sent: 0,
            received: 0,
            ..self
        }
    }
}

/// The logs.
pub(crate) struct Tape {
    conn: BufWriter<File>,
    dns: BufWriter<File>,
    http: BufWriter<File>,
    ssh: BufWriter<File>,
    ssl: BufWriter<File>,
    flows: u64,
}

/// What every row begins with.
pub(crate) const FLOW: &str = "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p";

/// Our logs, and what their rows go on with.
pub(crate) const COLUMNS: [(&str, &str); 5] = [
    (
        "conn",
        "proto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\thistory\t\
         orig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes",
    ),
    ("dns", "proto\trtt\tquery\tqtype\trcode\tanswers"),
    (
        "http",
        "method\thost\turi\tstatus_code\tresponse_body_len\tresp_mime_types\tresp_filenames",
    ),
    ("ssh", "auth_success"),
    ("ssl", "server_name\testablished"),
];

fn log(dir: &Path, name: &str, columns: &str) -> BufWriter<File> {
    let mut file = BufWriter::new(File::create(dir.join(format!("{name}.log"))).unwrap());
    writeln!(
        file,
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
         #path\t{name}\n#fields\t{FLOW}\t{columns}"
    )
    .unwrap();
    file
}

impl Tape {
    pub(crate) fn new(dir: &Path) -> Self {
        let [conn, dns, http, ssh, ssl] = COLUMNS.map(|(name, columns)| log(dir, name, columns));
        Self {
            conn,
            dns,
            http,
            ssh,
            ssl,
            flows: 0,
        }
    }

    fn head(at: f64, number: u64, flow: &Flow) -> String {
        let ((from, from_port), (to, to_port)) = (flow.from, flow.to);
        format!("{at:.6}\tC{number:017}\t{from}\t{from_port}\t{to}\t{to_port}")
    }

    /// Returns its number.
    pub(crate) fn flow(&mut self, flow: &Flow) -> u64 {
        self.flows += 1;
        let Flow {
            proto,
            service,
            lasts,
            sent,
            received,
            state,
            ..
        } = *flow;
        let history = match (proto, state) {
            ("tcp", "S0") => "S",
            ("tcp", "REJ") => "Sr",
            ("tcp", "OTH") => "DdA",
            ("tcp", _) => "ShADadFf",
            (_, "S0") => "D",
            _ => "Dd",
        };
        let back = state != "S0";
        let tcp = u64::from(proto == "tcp");
        let out_packets = sent.div_ceil(1_400) + 1 + 3 * tcp * u64::from(back);
        let in_packets = (received.div_ceil(1_400) + 1 + 2 * tcp) * u64::from(back);
        writeln!(
            self.conn,
            "{}\t{proto}\t{service}\t{lasts:.6}\t{sent}\t{received}\t{state}\t{history}\t\
             {out_packets}\t{}\t{in_packets}\t{}",
            Self::head(flow.at, self.flows, flow),
            sent + 40 * out_packets,
            received + 40 * in_packets,
        )
        .unwrap();
        self.flows
    }

    /// A question and its answer, with the flow that carries both.
    pub(crate) fn question(&mut self, flow: Flow, name: &str, qtype: u16, answer: Option<IpAddr>) {
        let sent = 30 + name.len() as u64;
        let flow = flow.service("dns").moves(0.02, sent, sent + 60);
        let number = self.flow(&flow);
        let (code, answer) = match answer {
            Some(answer) => (0, answer.to_string()),
            None => (3, "-".to_owned()),
        };
        let head = Self::head(flow.at, number, &flow);
        writeln!(
            self.dns,
            "{head}\tudp\t0.02\t{name}\t{qtype}\t{code}\t{answer}"
        )
        .unwrap();
    }

    pub(crate) fn fetched(&mut self, flow: &Flow, host: &str, uri: &str, mime_type: &str) {
        let number = self.flow(flow);
        let head = Self::head(flow.at + 0.01, number, flow);
        let length = flow.received;
        writeln!(
            self.http,
            "{head}\tGET\t{host}\t{uri}\t200\t{length}\t{mime_type}\t-"
        )
        .unwrap();
    }

    pub(crate) fn signed_in(&mut self, flow: &Flow, success: char) {
        let number = self.flow(flow);
        let head = Self::head(flow.at + 0.1, number, flow);
        writeln!(self.ssh, "{head}\t{success}").unwrap();
    }

    pub(crate) fn encrypted(&mut self, flow: &Flow, name: &str) {
        let number = self.flow(flow);
        let head = Self::head(flow.at + 0.01, number, flow);
        writeln!(self.ssl, "{head}\t{name}\tT").unwrap();
    }

    /// A row of another run's log, its columns renamed and in their order.
    pub(crate) fn row(&mut self, log: &str, row: &str) {
        let file = match log {
            "conn" => &mut self.conn,
            "dns" => &mut self.dns,
            "http" => &mut self.http,
            "ssh" => &mut self.ssh,
            _ => &mut self.ssl,
        };
        writeln!(file, "{row}").unwrap();
    }

    pub(crate) fn flows(&self) -> u64 {
        self.flows
    }

    pub(crate) fn close(mut self) {
        let all = [
            &mut self.conn,
            &mut self.dns,
            &mut self.http,
            &mut self.ssh,
            &mut self.ssl,
        ];
        for file in all {
            file.flush().unwrap();
        }
    }
}
