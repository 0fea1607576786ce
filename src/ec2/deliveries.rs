//! The tables of what is still to be told: the transaction of a change puts in what tells of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::codec::{StoreError, decode, encode};
use super::notices::Telling;
use super::notify::{Delivery, Target};
use super::time::UnixMillis;

/// Deliveries by id.
pub(super) const DELIVERIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("deliveries");
/// Ids of deliveries by target and the time at which they are due, in milliseconds since 1970.
pub(super) const DUE: TableDefinition<'_, (u8, u64, u64), ()> = TableDefinition::new("due");
/// Deliveries that can wait at one time. The change itself never fails because nobody can be told of it.
const MOST: u64 = 100_000;

/// A delivery, and when it is due.
#[derive(Serialize, Deserialize)]
pub(super) struct Queued {
    pub(super) due: u64,
    pub(super) delivery: Delivery,
}

impl Queued {
    /// Its key among those that are due.
    pub(super) fn key(&self) -> (u8, u64, u64) {
        (number(self.delivery.target), self.due, self.delivery.id)
    }
}

/// What a target is called in keys.
pub(super) fn number(target: Target) -> u8 {
    match target {
        Target::Sns => 0,
        Target::Webhook => 1,
    }
}

/// Milliseconds since 1970.
pub(super) fn ms(at: SystemTime) -> u64 {
    UnixMillis::from(at).0
}

/// Makes the tables, lets go of what is older than `most_age`, and says which id is the next.
pub(super) fn open(write: &WriteTransaction, most_age: Duration) -> Result<u64, StoreError> {
    let mut deliveries = write.open_table(DELIVERIES).map_err(StoreError::new)?;
    let mut due = write.open_table(DUE).map_err(StoreError::new)?;
    let oldest = SystemTime::now().checked_sub(most_age).unwrap_or(UNIX_EPOCH);
    let mut old = Vec::new();
    for entry in deliveries.iter().map_err(StoreError::new)? {
        let (_, octets) = entry.map_err(StoreError::new)?;
        let queued: Queued = decode("a delivery", octets.value())?;
        if queued.delivery.created < oldest {
            old.push(queued);
        }
    }
    for queued in old {
        deliveries.remove(queued.delivery.id).map_err(StoreError::new)?;
        due.remove(queued.key()).map_err(StoreError::new)?;
    }
    let last = deliveries.last().map_err(StoreError::new)?;
    Ok(last.map_or(0, |(id, _)| id.value().saturating_add(1)))
}

/// Puts in what is to be told, the first of it by the id `first`.
pub(super) fn add(write: &WriteTransaction, all: &[Telling], first: u64) -> Result<(), StoreError> {
    if all.is_empty() {
        return Ok(());
    }
    let mut deliveries = write.open_table(DELIVERIES).map_err(StoreError::new)?;
    let mut due = write.open_table(DUE).map_err(StoreError::new)?;
    for (id, telling) in (first..).zip(all) {
        if deliveries.len().map_err(StoreError::new)? >= MOST {
            tracing::error!("{MOST} notifications are waiting: nobody is told of {:?}", telling.notice);
            continue;
        }
        let delivery = telling.notice.delivery(id, telling.target, telling.topic_arn.clone());
        let queued = Queued { due: ms(delivery.created), delivery };
        due.insert(queued.key(), ()).map_err(StoreError::new)?;
        deliveries.insert(id, encode(&queued)?.as_slice()).map_err(StoreError::new)?;
    }
    Ok(())
}
