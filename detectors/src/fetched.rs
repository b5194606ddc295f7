//! Content that a host inside fetched, over HTTP or FTP: from whom, what, under which name.

use flow_table::ProtocolRow;
use flow_table::protocol::ftp::FtpRecord;
use flow_table::protocol::http::{BodyNote, HttpRecord};

use crate::content::{Content, Kind};
use crate::destinations::Known;
use crate::seen::Party;

/// Content, as its row tells of it.
#[derive(Clone, Copy)]
pub(crate) struct Fetch<'a> {
    pub(crate) content: Content<'a>,
    /// What the client calls the server; empty if it gives no name.
    pub(crate) host: &'a [u8],
    /// Where it was there; for FTP, its URL.
    pub(crate) path: &'a [u8],
}

/// One piece of content with what every detector asks about it.
pub(crate) struct Fetched<'a> {
    pub(crate) row: &'a ProtocolRow,
    pub(crate) client: Party,
    pub(crate) server: Party,
    pub(crate) fetch: Fetch<'a>,
    /// The registered domain of the name that the client gives the server; empty if it gives none.
    pub(crate) domain: Box<[u8]>,
    /// What is known of the server, if it is outside.
    pub(crate) known: Option<Known>,
}

impl Fetched<'_> {
    pub(crate) fn kind(&self) -> Kind {
        self.fetch.content.kind()
    }

    /// What it is and where it was, for people: `application/x-dosexec: http://host/a.jpg`.
    pub(crate) fn label(&self) -> Vec<u8> {
        let mut label = self.fetch.content.label();
        label.extend_from_slice(b": ");
        if !self.fetch.path.starts_with(b"ftp://") {
            label.extend_from_slice(b"http://");
            if self.fetch.host.is_empty() {
                label.extend_from_slice(self.server.addr.to_string().as_bytes());
            }
            label.extend_from_slice(self.fetch.host);
        }
        label.extend_from_slice(self.fetch.path);
        label
    }
}

impl<'a> Fetch<'a> {
    /// What a reply of HTTP carried, if it carried what was asked for.
    pub(crate) fn of_http(http: &'a HttpRecord) -> Option<Self> {
        let fits = matches!(http.status_code, Some(200..=299)) && http.response_body_len > 0;
        let method = http.method.as_deref().unwrap_or_default();
        if !fits || method == b"HEAD" || method == b"CONNECT" {
            return None;
        }
        let path = http.uri.as_deref().unwrap_or_default();
        let content = |note: &'a BodyNote| Content {
            sniffed: note.mime_type,
            declared: note.content_type.as_deref(),
            name: note.filename.as_deref().unwrap_or_else(|| last_part(path)),
        };
        let mut bodies = http.resp_bodies.iter().map(content);
        let first = bodies.next()?;
        let program = bodies.find(|content| content.kind() == Kind::Program);
        Some(Self {
            content: program
                .filter(|_| first.kind() != Kind::Program)
                .unwrap_or(first),
            host: http.host.as_deref().unwrap_or_default(),
            path,
        })
    }

    /// What FTP was asked to send, if it sent it; `sniffed` is what the other flow carried.
    pub(crate) fn of_ftp(ftp: &'a FtpRecord, sniffed: Option<&'a str>) -> Option<Self> {
        if &*ftp.command != b"RETR" || !matches!(ftp.reply_code, Some(200..=299)) {
            return None;
        }
        let path = ftp.arg.as_deref().unwrap_or_default();
        Some(Self {
            content: Content {
                sniffed,
                declared: None,
                name: last_part(path),
            },
            host: b"",
            path,
        })
    }
}

/// The name that a host has in the domain name system: without port; none of an address.
pub(crate) fn name_of(host: &[u8]) -> Option<&[u8]> {
    if host.first() == Some(&b'[') {
        return None;
    }
    let end = host.iter().position(|byte| *byte == b':');
    let name = host.get(..end.unwrap_or(host.len())).unwrap_or(host);
    let name = name.strip_suffix(b".").unwrap_or(name);
    // The last label of a name is no number (RFC 3696, 2).
    let last = name.rsplit(|byte| *byte == b'.').next()?;
    (!last.is_empty() && !last.iter().all(u8::is_ascii_digit)).then_some(name)
}

/// Of a path, what is behind the last slash, without a query.
fn last_part(path: &[u8]) -> &[u8] {
    let end = path
        .iter()
        .position(|byte| matches!(byte, b'?' | b'#' | b';'));
    let path = path.get(..end.unwrap_or(path.len())).unwrap_or(path);
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_addresses() {
        let cases: [(&str, Option<&str>); 9] = [
            ("www.example.com", Some("www.example.com")),
            ("www.example.com:8080", Some("www.example.com")),
            ("www.example.com.", Some("www.example.com")),
            ("printer", Some("printer")),
            ("192.0.2.1", None),
            ("192.0.2.1:80", None),
            ("[2001:db8::1]:80", None),
            ("", None),
            (":80", None),
        ];
        for (host, want) in cases {
            assert_eq!(name_of(host.as_bytes()), want.map(str::as_bytes), "{host}");
        }
    }

    #[test]
    fn files_are_named_by_the_last_part_of_their_path() {
        let cases = [
            ("/a/setup.exe", "setup.exe"),
            ("/a/setup.exe?v=1/2", "setup.exe"),
            ("ftp://192.0.2.1/pub/a.sh", "a.sh"),
            ("/", ""),
            ("", ""),
        ];
        for (path, want) in cases {
            assert_eq!(last_part(path.as_bytes()), want.as_bytes(), "{path}");
        }
    }
}
