//! What libpcap does not ask the kernel for: how often a full ring was frozen, and to share out the packets
//! of an interface among several rings.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{
    PACKET_FANOUT, PACKET_FANOUT_FLAG_UNIQUEID, PACKET_FANOUT_HASH, PACKET_STATISTICS, SOL_PACKET,
    c_int, c_uint, c_void, socklen_t, tpacket_stats_v3,
};

/// What the kernel counted since it was asked last.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::live) struct Lately {
    /// Those dropped included.
    pub(in crate::live) packets: u32,
    pub(in crate::live) drops: u32,
    /// Times at which no block of the ring was free.
    pub(in crate::live) freezes: u32,
}

/// Asks, and has the kernel begin again at nothing: libpcap adds up what it is told itself, and never
/// hears of what is told here.
#[expect(unsafe_code, reason = "no crate that is used here reads this option")]
pub(super) fn lately(socket: BorrowedFd<'_>) -> io::Result<Lately> {
    let mut stats = tpacket_stats_v3 {
        tp_packets: 0,
        tp_drops: 0,
        tp_freeze_q_cnt: 0,
    };
    let mut len = socklen_t::try_from(size_of_val(&stats)).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `len` bytes, which is the size of `stats`, and `len`; both
    // outlive the call, and any bytes make a `tpacket_stats_v3`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            SOL_PACKET,
            PACKET_STATISTICS as c_int,
            (&raw mut stats).cast::<c_void>(),
            &raw mut len,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Lately {
        packets: stats.tp_packets,
        drops: stats.tp_drops,
        freezes: stats.tp_freeze_q_cnt,
    })
}

/// From now on a ring gets only its part of the packets: those of a flow, both directions, are of one ring.
/// Rings of one group share; returns which one it is. The kernel is not to put fragments together before
/// (`PACKET_FANOUT_FLAG_DEFRAG`): then it would hand over packets that never were on the link. Those of a
/// datagram may come to several rings, and meet again where rings are put into one order of time.
#[expect(unsafe_code, reason = "no crate that is used here sets this option")]
pub(super) fn share(socket: BorrowedFd<'_>, group: Option<u16>) -> io::Result<u16> {
    let new = group.map_or(PACKET_FANOUT_FLAG_UNIQUEID, |_| 0);
    let kind = PACKET_FANOUT_HASH | new;
    let mut wanted: c_uint = c_uint::from(group.unwrap_or(0)) | (kind << 16);
    let mut len = socklen_t::try_from(size_of_val(&wanted)).map_err(io::Error::other)?;
    // SAFETY: the kernel reads `len` bytes, the size of `wanted`, which outlives the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            SOL_PACKET,
            PACKET_FANOUT,
            (&raw const wanted).cast::<c_void>(),
            len,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel writes at most `len` bytes, the size of `wanted`, and `len`; both outlive the call.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            SOL_PACKET,
            PACKET_FANOUT,
            (&raw mut wanted).cast::<c_void>(),
            &raw mut len,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    u16::try_from(wanted & 0xffff).map_err(io::Error::other)
}
