//! Writes captures: floods whose sources must be spoofed, large files made of small ones, and the same
//! packets under another link type. The same arguments give the same bytes.

mod addresses;
mod checksum;
mod flood;
mod frame;
mod multiply;
mod pcap;
mod relink;
mod sessions;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Writes captures that no ordinary program would produce, or not fast enough.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// TCP SYNs from spoofed sources to one server, among ordinary flows
    SynFlood(flood::SynFlood),
    /// UDP datagrams from many sources to one destination
    ManyToOne(flood::ManyToOne),
    /// A large capture: many copies of small ones, with other addresses, in time order
    Multiply(multiply::Multiply),
    /// Ordinary sessions of many lengths
    Sessions(sessions::Sessions),
    /// The same packets under another link type
    Relink(relink::Relink),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::SynFlood(flood) => flood.run(),
        Command::ManyToOne(flood) => flood.run(),
        Command::Multiply(multiply) => multiply.run(),
        Command::Sessions(sessions) => sessions.run(),
        Command::Relink(relink) => relink.run(),
    }
}
