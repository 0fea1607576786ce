//! The store as the notifier's queue: what is due, what is done, what is tried again later.

use std::time::SystemTime;

use redb::ReadableTableMetadata;

use super::codec::{StoreError, decode, encode};
use super::deliveries::{DELIVERIES, DUE, Queued, ms, number};
use super::notify::{Delivery, Outbox, OutboxError, Target};
use super::store::Store;

impl Store {
    /// Takes a delivery out, and puts in what `next` makes of it.
    fn replace(&self, id: u64, next: impl FnOnce(Delivery) -> Option<Queued>) -> Result<(), StoreError> {
        let write = self.begin_write()?;
        {
            let mut deliveries = write.open_table(DELIVERIES).map_err(StoreError::new)?;
            let mut due = write.open_table(DUE).map_err(StoreError::new)?;
            let found = deliveries.remove(id).map_err(StoreError::new)?.map(|octets| octets.value().to_vec());
            let Some(octets) = found else { return Ok(()) };
            let queued: Queued = decode("a delivery", &octets)?;
            due.remove(queued.key()).map_err(StoreError::new)?;
            if let Some(queued) = next(queued.delivery) {
                due.insert(queued.key(), ()).map_err(StoreError::new)?;
                deliveries.insert(id, encode(&queued)?.as_slice()).map_err(StoreError::new)?;
            }
        }
        write.commit().map_err(StoreError::new)
    }

    fn due_now(&self, target: Target, now: SystemTime, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let read = self.begin_read()?;
        let deliveries = read.open_table(DELIVERIES).map_err(StoreError::new)?;
        let due = read.open_table(DUE).map_err(StoreError::new)?;
        let target = number(target);
        let until = due.range((target, 0, 0)..=(target, ms(now), u64::MAX)).map_err(StoreError::new)?;
        let mut found = Vec::new();
        for entry in until.take(limit) {
            let (key, _) = entry.map_err(StoreError::new)?;
            if let Some(octets) = deliveries.get(key.value().2).map_err(StoreError::new)? {
                found.push(decode::<Queued>("a delivery", octets.value())?.delivery);
            }
        }
        Ok(found)
    }
}

impl From<StoreError> for OutboxError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl Outbox for Store {
    fn due(&self, target: Target, now: SystemTime, limit: usize) -> Result<Vec<Delivery>, OutboxError> {
        Ok(self.due_now(target, now, limit)?)
    }

    fn delivered(&self, id: u64) -> Result<(), OutboxError> {
        Ok(self.replace(id, |_| None)?)
    }

    fn retry(&self, id: u64, at: SystemTime, attempts: u32, _error: &str) -> Result<(), OutboxError> {
        let later = |delivery| Some(Queued { due: ms(at), delivery: Delivery { attempts, ..delivery } });
        Ok(self.replace(id, later)?)
    }

    fn give_up(&self, id: u64, _error: &str) -> Result<(), OutboxError> {
        Ok(self.replace(id, |_| None)?)
    }

    fn queued(&self) -> Result<u64, OutboxError> {
        let read = self.begin_read()?;
        let deliveries = read.open_table(DELIVERIES).map_err(StoreError::new)?;
        Ok(deliveries.len().map_err(StoreError::new)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::notices::{Telling, ToldDelta};
    use super::super::notify::notice::Event;
    use super::super::notify::{Notice, TopicArn};
    use super::super::state::Delta;
    use super::*;

    fn telling(second: u64, target: Target) -> Telling {
        let notice = Notice {
            event: Event::Connect,
            notification_id: "vpce-nfn-0123456789abcdef0".to_owned(),
            vpc_endpoint_id: "vpce-0123456789abcdef0".to_owned(),
            account_id: "000000000000".to_owned(),
            service_id: None,
            service_name: "com.amazonaws.us-east-1.ec2".to_owned(),
            time: now() + Duration::from_secs(second),
        };
        let topic_arn = TopicArn::parse("arn:aws:sns:us-east-1:000000000000:t").unwrap();
        Telling { notice, target, topic_arn }
    }

    fn told(tell: &[Telling]) -> ToldDelta {
        ToldDelta { delta: Delta::default(), tell: tell.to_vec() }
    }

    /// A whole number of seconds, and not old.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(ms(SystemTime::now()) / 1_000)
    }

    fn due(store: &Store, target: Target, second: u64, limit: usize) -> Vec<u64> {
        let due = store.due(target, now() + Duration::from_secs(second), limit).unwrap();
        due.iter().map(|delivery| delivery.id).collect()
    }

    #[test]
    fn what_is_due_comes_in_order_and_to_its_target() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path()).unwrap();
        let all = [
            telling(20, Target::Sns),
            telling(10, Target::Webhook),
            telling(10, Target::Sns),
            telling(30, Target::Sns),
        ];
        store.commit(&[told(&all)]).unwrap();
        // an hour later, so that the clock of the test does not matter
        assert_eq!(due(&store, Target::Sns, 3_600, 10), [2, 0, 3]);
        assert_eq!(due(&store, Target::Sns, 3_600, 2), [2, 0]);
        assert_eq!(due(&store, Target::Webhook, 3_600, 10), [1]);
        store.retry(2, now() + Duration::from_secs(7_200), 1, "no").unwrap();
        assert_eq!(due(&store, Target::Sns, 3_600, 10), [0, 3]);
        let again = store.due(Target::Sns, now() + Duration::from_secs(8_000), 10).unwrap();
        assert_eq!(
            again.iter().map(|delivery| (delivery.id, delivery.attempts)).collect::<Vec<_>>(),
            [(0, 0), (3, 0), (2, 1)]
        );
        store.give_up(0, "no").unwrap();
        store.delivered(3).unwrap();
        store.delivered(3).unwrap();
        assert_eq!(store.queued().unwrap(), 2);
    }

    #[test]
    fn it_outlives_a_restart_until_it_is_delivered() {
        let dir = tempfile::tempdir().unwrap();
        {
            let (store, _) = Store::open(dir.path()).unwrap();
            store.commit(&[told(&[telling(0, Target::Sns), telling(0, Target::Sns)])]).unwrap();
            store.delivered(0).unwrap();
            // sent, and the mark of that lost with the server
        }
        let (store, _) = Store::open(dir.path()).unwrap();
        assert_eq!(due(&store, Target::Sns, 10, 10), [1]);
        store.commit(&[told(&[telling(0, Target::Sns)])]).unwrap();
        assert_eq!(due(&store, Target::Sns, 10, 10), [1, 2]);
    }

    #[test]
    fn what_is_days_old_goes_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        {
            let (store, _) = Store::open(dir.path()).unwrap();
            let mut old = telling(0, Target::Webhook);
            old.notice.time = UNIX_EPOCH;
            store.commit(&[told(&[old, telling(0, Target::Webhook)])]).unwrap();
        }
        let (store, _) = Store::open(dir.path()).unwrap();
        assert_eq!(due(&store, Target::Webhook, 10, 10), [1]);
    }
}
