//! Writes databases in MaxMind's format, version 2.0: networks, and what is said of each.

use std::net::IpAddr;

/// A value that a database may hold.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Text(&'static str),
    U16(u16),
    U32(u32),
    U64(u64),
    Map(Vec<(&'static str, Self)>),
    List(Vec<Self>),
}

/// When every database was made: 2026-11-01.
pub(crate) const MADE: u64 = 1_793_491_200;

/// What a database of countries says of a network.
pub(crate) fn country(code: &'static str) -> Data {
    let continent = Data::Map(vec![("code", Data::Text("XX"))]);
    let names = Data::Map(vec![(
        "en",
        Data::Text("a name that is of no interest here"),
    )]);
    let country = Data::Map(vec![("names", names), ("iso_code", Data::Text(code))]);
    Data::Map(vec![("continent", continent), ("country", country)])
}

/// What a database of autonomous systems says of a network.
pub(crate) fn system(number: u32, organization: &'static str) -> Data {
    Data::Map(vec![
        ("autonomous_system_number", Data::U32(number)),
        ("autonomous_system_organization", Data::Text(organization)),
    ])
}

/// A database of this kind with these networks, for addresses of both versions.
pub(crate) fn database(kind: &'static str, networks: &[(&str, Data)]) -> Vec<u8> {
    let (mut tree, mut data) = (Tree(vec![[Record::Nothing; 2]]), Vec::new());
    for (network, said) in networks {
        let at = data.len();
        said.write(&mut data);
        tree.add(network, at);
    }
    let mut file = tree.bytes();
    file.extend([0; 16]);
    file.append(&mut data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let nodes = u32::try_from(tree.0.len()).unwrap();
    Data::Map(vec![
        ("binary_format_major_version", Data::U16(2)),
        ("binary_format_minor_version", Data::U16(0)),
        ("build_epoch", Data::U64(MADE)),
        ("database_type", Data::Text(kind)),
        (
            "description",
            Data::Map(vec![("en", Data::Text("made for a test"))]),
        ),
        ("ip_version", Data::U16(6)),
        ("languages", Data::List(vec![Data::Text("en")])),
        ("node_count", Data::U32(nodes)),
        ("record_size", Data::U16(24)),
    ])
    .write(&mut file);
    file
}

/// Where one half of a node's addresses leads.
#[derive(Clone, Copy)]
enum Record {
    Nothing,
    Node(usize),
    /// Into the data, so far from its beginning.
    Data(usize),
}

/// Nodes, the root first.
struct Tree(Vec<[Record; 2]>);

impl Tree {
    /// IPv4's networks are those below ::/96.
    fn add(&mut self, network: &str, data: usize) {
        let (addr, length) = network.split_once('/').unwrap();
        let length: u32 = length.parse().unwrap();
        let (bits, length) = match addr.parse().unwrap() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), length + 96),
            IpAddr::V6(v6) => (v6.to_bits(), length),
        };
        let half = |depth: u32| usize::from(bits >> (127 - depth) & 1 == 1);
        let mut node = 0;
        for depth in 0..length - 1 {
            let next = match self.0[node][half(depth)] {
                Record::Node(next) => next,
                Record::Nothing => {
                    self.0.push([Record::Nothing; 2]);
                    self.0.len() - 1
                }
                Record::Data(_) => panic!("{network} is in another network"),
            };
            self.0[node][half(depth)] = Record::Node(next);
            node = next;
        }
        self.0[node][half(length - 1)] = Record::Data(data);
    }

    fn bytes(&self) -> Vec<u8> {
        let nodes = self.0.len();
        let number = |record: &Record| match record {
            Record::Nothing => nodes,
            Record::Node(node) => *node,
            Record::Data(at) => nodes + 16 + at,
        };
        let record = |record| {
            let bytes = u32::try_from(number(record)).unwrap().to_be_bytes();
            [bytes[1], bytes[2], bytes[3]]
        };
        self.0.iter().flatten().flat_map(record).collect()
    }
}

impl Data {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                head(2, text.len(), to);
                to.extend(text.as_bytes());
            }
            Self::U16(number) => {
                head(5, 2, to);
                to.extend(number.to_be_bytes());
            }
            Self::U32(number) => {
                head(6, 4, to);
                to.extend(number.to_be_bytes());
            }
            Self::Map(entries) => {
                head(7, entries.len(), to);
                for (name, value) in entries {
                    Self::Text(name).write(to);
                    value.write(to);
                }
            }
            Self::U64(number) => {
                head(9, 8, to);
                to.extend(number.to_be_bytes());
            }
            Self::List(values) => {
                head(11, values.len(), to);
                for value in values {
                    value.write(to);
                }
            }
        }
    }
}

/// What stands before a value: its type, and its size, here of up to 284.
fn head(kind: u8, size: usize, to: &mut Vec<u8>) {
    let (short, long) = match u8::try_from(size) {
        Ok(size) if size < 29 => (size, None),
        _ => (29, Some(u8::try_from(size - 29).unwrap())),
    };
    if kind < 8 {
        to.push(kind << 5 | short);
    } else {
        to.extend([short, kind - 7]);
    }
    to.extend(long);
}
