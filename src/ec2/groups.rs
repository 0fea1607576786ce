//! Work that several threads bring at one time, done in groups: one of them does it for all that wait.
//!
//! While one group is worked on, the next one gathers; there is no waiting for it to fill. Knows nothing of calls.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Jobs that wait, and whether a thread works on others.
pub(super) struct Groups<J, R> {
    waiting: Mutex<Gathered<J, R>>,
    /// Most jobs of a group.
    most: usize,
}

struct Gathered<J, R> {
    jobs: VecDeque<(J, SyncSender<TurnWord<R>>)>,
    /// Some thread leads: it works, or was told to.
    led: bool,
}

/// What a thread that waits is told.
enum TurnWord<R> {
    /// Its job is the first that waits: the next group is its to do.
    Lead,
    /// Its job is done.
    Done(R),
}

impl<J, R> Groups<J, R> {
    /// Groups of at most `most` jobs.
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: Mutex::new(Gathered { jobs: VecDeque::new(), led: false }), most }
    }

    /// Has `job` done by `work`, here or on another thread, and says what came of it. `work` is given jobs in the order
    /// in which they came, and answers in the same order. `None`: it panicked on another thread.
    pub(super) fn run(&self, job: J, work: impl Fn(Vec<J>) -> Vec<R>) -> Option<R> {
        // two words at most: to lead, and the end
        let (sender, words) = sync_channel(2);
        let leads = {
            let mut gathered = self.gathered();
            gathered.jobs.push_back((job, sender));
            !std::mem::replace(&mut gathered.led, true)
        };
        if leads {
            return self.lead(&words, work);
        }
        match words.recv() {
            Ok(TurnWord::Done(done)) => Some(done),
            Ok(TurnWord::Lead) => self.lead(&words, work),
            Err(_) => None,
        }
    }

    /// Works on the group that begins with the own job.
    fn lead(&self, words: &Receiver<TurnWord<R>>, work: impl Fn(Vec<J>) -> Vec<R>) -> Option<R> {
        let baton = Baton(self);
        let group: Vec<_> = {
            let mut gathered = self.gathered();
            let count = gathered.jobs.len().min(self.most);
            gathered.jobs.drain(..count).collect()
        };
        let (jobs, waiting): (Vec<J>, Vec<_>) = group.into_iter().unzip();
        for (done, waits) in work(jobs).into_iter().zip(waiting) {
            // nobody leaves before the end
            let _ = waits.send(TurnWord::Done(done));
        }
        drop(baton);
        match words.recv() {
            Ok(TurnWord::Done(done)) => Some(done),
            _ => None,
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered<J, R>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the lead on when it is dropped, by a panic too.
struct Baton<'g, J, R>(&'g Groups<J, R>);

impl<J, R> Drop for Baton<'_, J, R> {
    fn drop(&mut self) {
        let mut gathered = self.0.gathered();
        gathered.led = gathered.jobs.front().is_some_and(|(_, waits)| waits.send(TurnWord::Lead).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};
    use std::thread;

    use super::*;

    /// Starts a thread that works on 0 until `go`, and others with 1 to `count` that wait behind it.
    fn behind(
        groups: &Arc<Groups<usize, usize>>,
        count: usize,
        work: fn(Vec<usize>) -> Vec<usize>,
    ) -> Vec<Option<usize>> {
        let (begun, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let first = {
            let (groups, begun, go) = (Arc::clone(groups), Arc::clone(&begun), Arc::clone(&go));
            thread::spawn(move || {
                groups.run(0, |jobs| {
                    begun.wait();
                    go.wait();
                    jobs
                })
            })
        };
        begun.wait();
        let others: Vec<_> = (1..=count)
            .map(|number| {
                let of = Arc::clone(groups);
                let other = thread::spawn(move || of.run(number, work));
                while groups.gathered().jobs.len() < number {
                    thread::yield_now();
                }
                other
            })
            .collect();
        go.wait();
        assert_eq!(first.join().unwrap(), Some(0));
        others.into_iter().map(|other| other.join().unwrap_or_default()).collect()
    }

    #[test]
    fn those_that_wait_are_one_group_in_their_order() {
        static GROUPS: AtomicUsize = AtomicUsize::new(0);
        let groups = Arc::new(Groups::new(5));
        let done = behind(&groups, 12, |jobs| {
            let group = GROUPS.fetch_add(1, Ordering::Relaxed);
            assert!(jobs.is_sorted());
            jobs.iter().map(|job| group * 100 + job).collect()
        });
        let expected: Vec<_> = (1..=12).map(|job| Some((job - 1) / 5 * 100 + job)).collect();
        assert_eq!(done, expected);
        assert!(!groups.gathered().led, "nobody leads where nobody waits");
    }

    #[test]
    fn a_panic_is_that_of_its_group_and_the_next_one_goes_on() {
        let groups = Arc::new(Groups::new(2));
        let done = behind(&groups, 4, |jobs| {
            if jobs.contains(&2) {
                std::panic::resume_unwind(Box::new("the fault"));
            }
            jobs
        });
        assert_eq!(done, [None, None, Some(3), Some(4)]);
        assert_eq!(groups.run(7, |jobs| jobs), Some(7));
    }
}
