//! Which threads go first where there is one processor for several: those that answer.

use tracing::debug;

/// Niceness of threads that give way: enough to do so, too little to wait for ever.
const NICENESS: i32 = 10;

/// Has this thread, and those that it starts, give way to answers. On Linux niceness is a thread's own (sched(7)).
pub fn give_way() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        debug!("a thread runs at the priority of answers: {error}");
    }
}
