//! Ctrl+C in a conversation: the first ends the reply, one at the prompt ends the program.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crate::job::Canceller;

/// What shells expect of a program that ended by Ctrl+C: 128 and the signal's number.
const INTERRUPTED: i32 = 130;

/// What Ctrl+C would end.
#[derive(Debug, Default)]
pub(super) struct Interrupt {
    reply: Mutex<Option<Canceller>>,
}

impl Interrupt {
    /// From now on Ctrl+C does not end the program while there is a reply to be ended.
    ///
    /// # Errors
    /// If the system does not let it be heard.
    pub(super) fn listen() -> io::Result<Arc<Self>> {
        let interrupt = Arc::new(Self::default());
        let pressed = Arc::clone(&interrupt);
        ctrlc::set_handler(move || {
            if !pressed.end_reply() {
                println!();
                std::process::exit(INTERRUPTED);
            }
        })
        .map_err(io::Error::other)?;
        Ok(interrupt)
    }

    /// The reply that the next Ctrl+C ends.
    pub(super) fn set(&self, reply: Canceller) {
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    }

    /// There is no reply any more.
    pub(super) fn clear(&self) {
        self.take();
    }

    /// Ends the reply; false if there is none, or it was asked to end already and has not.
    fn end_reply(&self) -> bool {
        self.take().inspect(Canceller::cancel).is_some()
    }

    fn take(&self) -> Option<Canceller> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{self, Cancelled};

    #[test]
    fn the_first_ctrl_c_ends_the_reply_and_the_next_the_program() {
        let interrupt = Interrupt::default();
        assert!(!interrupt.end_reply(), "at the prompt there is nothing else to end");
        let (reply, job) = job::channel::<(), ()>(Arc::new(|| ()));
        interrupt.set(job.canceller());
        assert_eq!(reply.check(), Ok(()));
        assert!(interrupt.end_reply());
        assert_eq!(reply.check(), Err(Cancelled));
        assert!(!interrupt.end_reply(), "a reply that does not end does not hold up the program");
        interrupt.set(job.canceller());
        interrupt.clear();
        assert!(!interrupt.end_reply());
    }
}
