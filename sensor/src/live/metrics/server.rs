//! Answers over HTTP, one who asks after the other. Nobody is waited for longer than [`PATIENCE`], and
//! nobody can have it hold more than [`MOST`] bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Sources;
use super::form::Form;
use super::page::Page;
use crate::clock::Stopwatch;

/// Longest that one who asks may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a question.
const MOST: usize = 8 * 1024;
/// Header lines of a question.
const HEADERS: usize = 64;
/// How often it looks whether the run is over.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// A run that stands still so long is not well.
const STILL: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";

/// The thread that answers, until it is dropped.
pub(in crate::live) struct Server {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    address: SocketAddr,
}

impl Server {
    /// Binds; answers from [`Server::answer`] on.
    pub(in crate::live) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    pub(in crate::live) fn answer(listener: TcpListener, sources: Sources) -> io::Result<Self> {
        let (over, is_over) = bounded(0);
        let address = listener.local_addr()?;
        let thread = thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || serve(&listener, &is_over, Desk::new(sources)))?;
        Ok(Self {
            over: Some(over),
            thread: Some(thread),
            address,
        })
    }

    pub(in crate::live) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, metrics are all that is lost.
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, over: &Receiver<()>, mut desk: Desk) {
    while over.try_recv() == Err(TryRecvError::Empty) {
        desk.look();
        let mut fds = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
        // Whatever it is, the next attempt to accept tells.
        let _ = poll(&mut fds, Some(&LOOK));
        if let Ok((stream, _)) = listener.accept() {
            // Whoever goes away in the middle has no answer.
            let _ = desk.serve(stream);
        }
    }
}

/// Where questions are answered.
struct Desk {
    page: Page,
    sources: Arc<Sources>,
    progress: u64,
    /// Since it was seen to move.
    moved: Stopwatch,
}

impl Desk {
    fn new(sources: Sources) -> Self {
        let sources = Arc::new(sources);
        Self {
            page: Page::of(Arc::clone(&sources)),
            sources,
            progress: 0,
            moved: Stopwatch::start(),
        }
    }

    fn look(&mut self) {
        let progress = (self.sources.progress)();
        if progress != self.progress {
            (self.progress, self.moved) = (progress, Stopwatch::start());
        }
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let answer = self.answer(&question(&mut stream)?);
        let Answer { status, kind, body } = answer;
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())
    }

    fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Get(path, form) if path == "/metrics" => match self.page.text(*form) {
                Ok(body) => Answer::new("200 OK", form.kind(), body),
                Err(error) => Answer::new("500 Internal Server Error", TEXT, format!("{error}\n")),
            },
            Question::Get(path, _) if path == "/healthz" => self.health(),
            Question::Get(..) => Answer::new(
                "404 Not Found",
                TEXT,
                "there are /metrics and /healthz\n".to_owned(),
            ),
            Question::Other => Answer::new("405 Method Not Allowed", TEXT, "only GET\n".to_owned()),
            Question::Nonsense => Answer::new("400 Bad Request", TEXT, "no HTTP\n".to_owned()),
        }
    }

    fn health(&self) -> Answer {
        let still = self.moved.elapsed();
        if still > STILL {
            let body = format!("nothing went through for {} s\n", still.as_secs());
            return Answer::new("503 Service Unavailable", TEXT, body);
        }
        // Another run would not find more room.
        let logs = if self.sources.live.logs.is_paused() {
            "logs cannot be written\n"
        } else {
            ""
        };
        Answer::new("200 OK", TEXT, format!("ok\n{logs}"))
    }
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Answer {
    const fn new(status: &'static str, kind: &'static str, body: String) -> Self {
        Self { status, kind, body }
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Question {
    /// This path, without what may follow it, and how metrics are to be written.
    Get(String, Form),
    Other,
    Nonsense,
}

/// Reads what is asked.
fn question(stream: &mut TcpStream) -> io::Result<Question> {
    let watch = Stopwatch::start();
    let mut head = [0; MOST];
    let mut len = 0;
    loop {
        let left = PATIENCE.saturating_sub(watch.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let room = head.get_mut(len..).unwrap_or_default();
        let read = stream.read(room)?;
        len += read;
        let asked = asked(head.get(..len).unwrap_or_default());
        // One that is cut, or too long, is none.
        if asked.is_some() || read == 0 {
            return Ok(asked.unwrap_or(Question::Nonsense));
        }
    }
}

/// What these bytes ask for, if that can be told.
fn asked(head: &[u8]) -> Option<Question> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return Some(Question::Nonsense),
    }
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let mut headers = request.headers.iter();
    let accept = headers.find(|header| header.name.eq_ignore_ascii_case("accept"));
    let form = Form::accepted(accept.map_or(&[], |header| header.value));
    Some(match request.method {
        Some("GET") => Question::Get(path.to_owned(), form),
        _ => Question::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read() {
        let get = |path: &str| Some(Question::Get(path.to_owned(), Form::Text));
        let cases: [(&[u8], _); 8] = [
            (
                b"GET / HTTP/1.1\r\nhost: x\r\naccept: text/plain;q=0.5, application/OpenMetrics-text;version=1.0.0\r\n\r\n",
                Some(Question::Get("/".to_owned(), Form::OpenMetrics)),
            ),
            (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", get("/metrics")),
            (b"GET /metrics?a=b HTTP/1.0\r\n\r\n", get("/metrics")),
            (b"POST /metrics HTTP/1.1\r\n\r\n", Some(Question::Other)),
            (b"GET /metrics HTTP/1.1\r\nHost", None),
            (b"", None),
            (b"\x16\x03\x01\x02\x00\x01", Some(Question::Nonsense)),
            (b"GET\r\n\r\n", Some(Question::Nonsense)),
        ];
        for (head, want) in cases {
            assert_eq!(asked(head), want, "{}", String::from_utf8_lossy(head));
        }
    }
}
