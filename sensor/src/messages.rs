//! What whoever runs the program is told on stderr. All of it is said by [`say`]: as text for people, or
//! as a JSON object on each line for the programs that read for them.

mod event;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use flow_table::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::cli::MessageForm;
use crate::clock::time_of_day;
pub(crate) use event::Event;

/// As there is one stderr, there is one form of what goes there.
static FORM: OnceLock<MessageForm> = OnceLock::new();

/// Has everything said in this form, from now on.
pub(crate) fn speak(form: MessageForm) {
    if FORM.set(form).is_ok() && form == MessageForm::Json {
        panic::set_hook(Box::new(|panic| say(&Event::Panicked.says(panic))));
    }
}

fn form() -> MessageForm {
    FORM.get().copied().unwrap_or_default()
}

/// Whether somebody looks on who can be shown what changes.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that says anything"
)]
pub(crate) fn are_looked_at() -> bool {
    form() == MessageForm::Text && io::stderr().is_terminal()
}

/// Says it, if anybody is there still.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that says anything"
)]
pub(crate) fn say(message: &Message) {
    // Before the clock is asked, so that times come in order.
    let mut stderr = anstream::stderr().lock();
    let line = match form() {
        MessageForm::Text => message.text(),
        MessageForm::Json => message.json(time_of_day()),
    };
    // At once, so that lines stay whole whoever else writes there.
    let _ = stderr.write_all(line.as_bytes());
}

/// Something to be said.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    event: Event,
    /// For people; styled, perhaps.
    text: String,
    /// What of it programs need not look for there.
    fields: Vec<(&'static str, Value)>,
}

impl Event {
    pub(crate) fn says(self, text: impl Display) -> Message {
        Message {
            event: self,
            text: text.to_string(),
            fields: Vec::new(),
        }
    }

    /// A message for each.
    pub(crate) fn says_all(self, texts: &[impl Display]) -> Vec<Message> {
        texts.iter().map(|text| self.says(text)).collect()
    }
}

impl Message {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        debug_assert!(self.event.fields().contains(&name), "{name}: {self:?}");
        self.fields.push((name, value.into()));
        self
    }

    fn text(&self) -> String {
        let begin = if self.event.is_bare() {
            ""
        } else {
            "flowhawk: "
        };
        format!("{begin}{}\n", self.text.trim_end())
    }

    fn json(&self, now: Timestamp) -> String {
        // Only values that are no JSON at all could fail; there are none.
        let object = serde_json::to_string(&Line { message: self, now });
        object.unwrap_or_default() + "\n"
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// A message, and when it is said.
struct Line<'a> {
    message: &'a Message,
    now: Timestamp,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Message {
            event,
            text,
            fields,
        } = self.message;
        let text = anstream::adapter::strip_str(text.trim_end()).to_string();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ts", &rfc3339(self.now))?;
        map.serialize_entry("level", event.level().name())?;
        map.serialize_entry("event", event.name())?;
        map.serialize_entry("message", &text)?;
        for (name, value) in fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// `2023-11-14T22:13:20.000000Z`, as fields have times.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    let since = Duration::from_nanos(u64::try_from(time.as_nanos()).unwrap_or_default());
    humantime::format_rfc3339_micros(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_said_as_text_and_as_json() {
        let cases = [
            (
                Event::KernelDropped
                    .says("eth0: 2 of 7")
                    .with("interface", "eth0")
                    .with("dropped", 2),
                "flowhawk: eth0: 2 of 7\n",
                r#""warning","event":"kernel_dropped","message":"eth0: 2 of 7","interface":"eth0","dropped":2}"#,
            ),
            (
                Event::Summary.says("\u{1b}[31mread\u{1b}[0m 7\n\"x\"\n"),
                "\u{1b}[31mread\u{1b}[0m 7\n\"x\"\n",
                r#""info","event":"summary","message":"read 7\n\"x\""}"#,
            ),
        ];
        for (message, text, json) in cases {
            assert_eq!(message.text(), text);
            let want = format!("{{\"ts\":\"2023-11-14T22:13:20.500000Z\",\"level\":{json}\n");
            let now = Timestamp::new(1_700_000_000, 500_000_000);
            assert_eq!(message.json(now), want);
        }
    }
}
