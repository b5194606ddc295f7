//! The command line of `flowhawk live`.

use clap::Args;

use super::{ANSWER_CODES, CommonArgs, EXIT_CODES};
use crate::config::ByteSize;
use crate::output::Every;

/// Listens to network interfaces until it is told to stop
///
/// SIGINT (Ctrl-C) and SIGTERM finish cleanly: what was heard is worked off, every flow gets its row,
/// every log its end. A second one ends at once.
///
/// SIGHUP opens logs and the file of --json again, and reads the configuration again: its suppressions
/// are in force from then on, everything else after a restart.
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
    /// Buffer of the kernel for each interface [default: 64MiB]
    ///
    /// What comes faster than it is looked at waits there.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64MiB",
        value_parser = buffer_size,
        hide_default_value = true,
        help_heading = "Capture"
    )]
    pub(crate) buffer_size: ByteSize,
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
  flowhawk live -q -i eth1 -o /var/log/flowhawk --rotate 1h --config /etc/flowhawk.toml
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
