//! What names a group, and a detection.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::hash::{IdHash, KeyedHash, join};
use crate::rule::{Field, Input};
use crate::{Signal, StableId, Subject};

/// The values that name a group.
pub(super) type GroupKey = [Option<Value>; 3];

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Value {
    Addr(IpAddr),
    Port(u16),
}

/// Nothing if the signal lacks one of the values: then it is not this rule's.
pub(super) fn group_key(input: &Input, subject: &Subject) -> Option<GroupKey> {
    let mut key = GroupKey::default();
    for (place, field) in key.iter_mut().zip(&input.group_by) {
        *place = Some(value(*field, subject)?);
    }
    Some(key)
}

pub(super) fn value(field: Field, subject: &Subject) -> Option<Value> {
    match field {
        Field::SrcIp => subject.src.map(Value::Addr),
        Field::DstIp => subject.dst.map(Value::Addr),
        Field::DstPort => subject.dst_port.map(Value::Port),
    }
}

pub(super) fn key_hash(hash: &KeyedHash, key: &GroupKey) -> u64 {
    key.iter().fold(0, |sum, value| match value {
        None => join(sum, 0),
        Some(Value::Addr(addr)) => join(sum, hash.addr(*addr)),
        Some(Value::Port(port)) => join(sum, hash.bits(u128::from(*port))),
    })
}

pub(super) fn detection_id(rule: &str, key: &GroupKey, signals: &[Arc<Signal>]) -> StableId {
    let named = key.iter().fold(IdHash::new(rule), |id, value| match value {
        None => id.number(0),
        Some(Value::Addr(addr)) => id.addr(Some(*addr)),
        Some(Value::Port(port)) => id.number(u64::from(*port) + 1),
    });
    signals
        .iter()
        .fold(named, |id, signal| id.id(signal.id))
        .finish()
}
