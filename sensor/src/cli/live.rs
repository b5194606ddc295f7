//! The command line of `flowhawk live`.

use clap::Args;
use flow_table::Span;

use super::{ANSWER_CODES, CommonArgs, EXIT_CODES};
use crate::config::{ByteSize, CpuList, MetricsAt, Target};
use crate::output::Every;

/// Listens to network interfaces until it is told to stop
///
/// SIGINT (Ctrl-C) and SIGTERM finish cleanly: what was heard is worked off, every flow gets its row,
/// every log its end. A second one ends at once.
///
/// SIGHUP opens logs and the file of --json again, and reads the configuration again: its rules,
/// suppressions, threat lists, databases of addresses and limits of signals are in force from then on,
/// everything else after a restart.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES, after_long_help = LIVE_EXAMPLES)]
pub(crate) struct LiveArgs {
    /// Interface to listen to; may be given more than once
    ///
    /// Packets of all of them are put into one order of time, so the two directions of a tapped link
    /// may come in on two interfaces. `flowhawk interfaces` lists what there is.
    #[arg(
        short,
        long = "interface",
        value_name = "IFACE",
        required = true,
        help_heading = "Capture"
    )]
    pub(crate) interfaces: Vec<String>,
    /// Buffer of the kernel for each interface [default: 256MiB]
    ///
    /// What comes faster than it is looked at waits there.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256MiB",
        value_parser = buffer_size,
        hide_default_value = true,
        help_heading = "Capture"
    )]
    pub(crate) buffer_size: ByteSize,
    /// Share packets of an interface among N threads [default: 1]
    ///
    /// For more than one core can take out of the kernel's buffer, of which each ring has one of its own. Both directions of a
    /// flow come to the same one, and packets of all of them are put into one order of time.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=64),
        hide_default_value = true,
        help_heading = "Capture"
    )]
    pub(crate) capture_threads: u8,
    /// Keep threads on these CPUs, one each in turn, such as 0,2-3
    ///
    /// First the threads that capture (--capture-threads for each interface), then the workers: as many as LIST has CPUs, unless
    /// --threads says otherwise. Those that merge, detect and write are left to the kernel, which may run them on any CPU of
    /// this process. The configuration can set it, too. Without it, no thread is kept anywhere.
    #[arg(long, value_name = "LIST", help_heading = "Capture")]
    pub(crate) cpus: Option<CpuList>,
    /// Take in only what is addressed to the interface
    #[arg(long, help_heading = "Capture")]
    pub(crate) no_promiscuous: bool,
    /// Put logs away, compressed, every TIME, such as 1h
    ///
    /// Into a directory for each day, as DIR/2026-11-20/conn.21:00:00-22:00:00.log.gz, in UTC. What an earlier run left in DIR is put
    /// away, too. Without it, logs grow, and a log that is there is added to; SIGHUP opens them again
    /// once another program moved them.
    #[arg(long, value_name = "TIME", help_heading = "Output")]
    pub(crate) rotate: Option<Every>,
    /// Put logs away once one of them has SIZE, such as 500MiB
    ///
    /// Compressed, as --rotate does, beside it or without it. Sizes are looked at once a second.
    #[arg(long, value_name = "SIZE", help_heading = "Output")]
    pub(crate) rotate_size: Option<ByteSize>,
    /// Remove logs that were put away, and findings, after TIME, such as 30d
    #[arg(long, value_name = "TIME", help_heading = "Output")]
    pub(crate) keep: Option<Span>,
    /// Remove the oldest logs that were put away beyond SIZE, such as 50GiB
    #[arg(long, value_name = "SIZE", help_heading = "Output")]
    pub(crate) keep_size: Option<ByteSize>,
    /// Send findings to a socket, syslog or a webhook
    ///
    /// May be given more than once. tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT, unix:///PATH and unixgram:///PATH
    /// get a JSON line of each signal and detection;
    /// syslog+tcp://HOST:PORT, syslog+tls://HOST:PORT, syslog+udp://HOST:PORT and syslog+unixgram:///dev/log get detections as
    /// RFC 5424 has it; to an http:// or https:// URL each detection is posted. Over TLS nothing is sent to whom no
    /// certificate vouches for: one of the system's authorities, or of live.ca_file in the configuration. Nobody is waited
    /// for: what cannot be delivered is tried again, and what does not fit into a queue is left out and counted.
    #[arg(long, value_name = "URL", help_heading = "Output")]
    pub(crate) send: Vec<Target>,
    /// Serve metrics for Prometheus at ADDR, such as 9617
    ///
    /// /metrics says what was heard, lost and found, /healthz whether packets find their way through.
    /// A port alone is one of this host, which no other host reaches. The configuration can set it,
    /// too; "off" serves none.
    #[arg(long, value_name = "ADDR", help_heading = "Output")]
    pub(crate) metrics: Option<MetricsAt>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// At least a few blocks of the kernel's, and no more than libpcap can be asked for.
fn buffer_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error| format!("{error}"))?;
    let (least, most) = (ByteSize::mebibytes(1), ByteSize::mebibytes(2_047));
    if (least..=most).contains(&size) {
        Ok(size)
    } else {
        Err(format!("{size} is not between {least} and {most}"))
    }
}

const LIVE_EXAMPLES: &str = concat!(
    "\
Examples:
  flowhawk live -i eth1
      Logs and a database in ./flowhawk-out until Ctrl-C, then a summary on stderr.
  flowhawk live -i tap0 -i tap1 --filter 'not port 9418' -o /var/log/flowhawk
      Both directions of a tapped link.
  flowhawk live -q -i eth1 -o /var/log/flowhawk --rotate 1h --metrics 9617 --config /etc/flowhawk.toml
      For good: logs of each hour where readers of Zeek's look for them.

",
    exit_codes!()
);

/// Lists what can be listened to, and what is missing to do so
#[derive(Args, Debug)]
#[command(after_help = ANSWER_CODES, after_long_help = INTERFACES_EXAMPLES)]
pub(crate) struct InterfacesArgs {}

const INTERFACES_EXAMPLES: &str = concat!(
    "\
Examples:
  flowhawk interfaces
      A line for each: whether it is up, its speed and buffer, what merges its packets.

",
    answer_codes!()
);
