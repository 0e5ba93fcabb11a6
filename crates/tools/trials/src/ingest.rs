//! Senders on every way in, and what they know when the server dies under them.
//!
//! Promise: a body is in doubt from before its first byte leaves until it is
//! acknowledged; a file in the inbox is the server's from the moment it has its
//! name there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::doors::{self, Door, Sender, Trouble, Upload};

/// Between two bodies of one sender: the trial is of crashes, not of load.
const PAUSE: Duration = Duration::from_millis(25);

/// What the senders know.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Sequence to the number of the body.
    pub acknowledged: BTreeMap<u64, usize>,
    /// Sent, and not answered.
    pub unanswered: BTreeSet<usize>,
    /// Lie in the inbox, or did.
    pub dropped: BTreeSet<usize>,
    /// Uploads that went on after a crash of the server.
    pub resumed: u64,
    /// Answers count for nothing.
    unbelieved: bool,
    /// To be sent once more.
    again: Vec<Todo>,
    next: usize,
    /// What must not be: two bodies under one number, or a good one turned away.
    pub broken: Option<String>,
}

#[derive(Debug)]
enum Todo {
    Body(usize),
    GoOn(Upload),
}

/// Threads that send bodies to whichever server there is.
pub struct Senders {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Who sends, what and where to.
pub struct Sending {
    pub token: String,
    pub inbox: PathBuf,
    pub salt: u64,
    /// The disk under the server fails now and then, and it may say so.
    pub disk_may_fail: bool,
}

struct Shared {
    address: Mutex<Option<SocketAddr>>,
    sending: Sending,
    ledger: Mutex<Ledger>,
    at_work: AtomicUsize,
    in_flight: AtomicUsize,
    over: AtomicBool,
}

impl Senders {
    pub fn start(count: usize, sending: Sending) -> Senders {
        let shared = Arc::new(Shared {
            address: Mutex::new(None),
            sending,
            ledger: Mutex::default(),
            at_work: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let threads =
            (0..count).map(|_| shared.clone()).map(|shared| std::thread::spawn(move || shared.run())).collect();
        Senders { shared, threads }
    }

    /// From now on bodies go there, or nowhere.
    pub fn talk_to(&self, address: Option<SocketAddr>) {
        *self.shared.address.lock().expect("no holder of this lock panics") = address;
    }

    /// Whether answers from now on count. While a file system is being shut down it says of
    /// bytes that they are durable which it never writes: no machine answers while its power goes.
    pub fn believe(&self, answers: bool) {
        self.shared.ledger.lock().expect("no holder of this lock panics").unbelieved = !answers;
    }

    /// Requests that wait for their acknowledgement.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Waits until nobody is at work. Nowhere to send must be set before.
    pub fn quiet(&self) {
        while self.shared.at_work.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What was acknowledged so far: sequence to the number of the body.
    pub fn acknowledged(&self) -> BTreeMap<u64, usize> {
        self.shared.locked(|ledger| ledger.acknowledged.clone())
    }

    /// What they know of a moment at which these records were there: of all others that
    /// were ever begun it may hold some, those that came without an answer.
    pub fn until(&self, next_sequence: u64) -> Ledger {
        self.shared.locked(|ledger| {
            let acknowledged: BTreeMap<u64, usize> =
                ledger.acknowledged.range(..next_sequence).map(|(sequence, number)| (*sequence, *number)).collect();
            let known: BTreeSet<usize> = acknowledged.values().copied().collect();
            let unanswered = (0..ledger.next).filter(|number| !known.contains(number)).collect();
            Ledger { acknowledged, unanswered, broken: ledger.broken.clone(), ..Ledger::default() }
        })
    }

    /// The end: what they know.
    pub fn finish(self) -> Ledger {
        self.shared.over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("a sender does not panic");
        }
        std::mem::take(&mut *self.shared.ledger.lock().expect("no holder of this lock panics"))
    }
}

impl Ledger {
    fn take(&mut self) -> Todo {
        let todo = self.again.pop().unwrap_or_else(|| {
            self.next += 1;
            Todo::Body(self.next - 1)
        });
        // Until answered, it may be there or not.
        let number = match &todo {
            Todo::Body(number) => *number,
            Todo::GoOn(upload) => {
                self.resumed += 1;
                upload.number
            }
        };
        self.unanswered.insert(number);
        todo
    }

    fn note(&mut self, number: usize, answer: Result<u64, Trouble>, again: Todo) {
        match answer {
            Ok(sequence) if !self.unbelieved => {
                if let Some(other) = self.acknowledged.insert(sequence, number) {
                    self.broken = Some(format!("bodies {other} and {number} were both acknowledged as {sequence}"));
                }
                self.unanswered.remove(&number);
            }
            // Every other one is sent again; the rest stays in doubt.
            Ok(_) | Err(Trouble::InDoubt) if number.is_multiple_of(2) => self.again.push(again),
            Ok(_) | Err(Trouble::InDoubt) => {}
            Err(Trouble::Broken(what)) => self.broken = Some(what),
        }
    }
}

impl Shared {
    fn run(&self) {
        while !self.over.load(Ordering::SeqCst) {
            self.at_work.fetch_add(1, Ordering::SeqCst);
            let address = *self.address.lock().expect("no holder of this lock panics");
            if let Some(address) = address {
                self.send(address);
            }
            self.at_work.fetch_sub(1, Ordering::SeqCst);
            std::thread::sleep(PAUSE);
        }
    }

    fn send(&self, address: SocketAddr) {
        let waiting = |begins: bool| {
            match begins {
                true => self.in_flight.fetch_add(1, Ordering::SeqCst),
                false => self.in_flight.fetch_sub(1, Ordering::SeqCst),
            };
        };
        let Sending { token, inbox, salt, disk_may_fail } = &self.sending;
        let sender = Sender {
            client: doors::client(address, token),
            salt: *salt,
            disk_may_fail: *disk_may_fail,
            waiting: &waiting,
        };
        let todo = self.locked(Ledger::take);
        let mut upload = match todo {
            Todo::GoOn(upload) => upload,
            Todo::Body(number) => match Door::of(number, *salt) {
                Door::Uploads => Upload::of(number),
                Door::Inbox => {
                    let dropped = sender.drop_into(inbox, number);
                    return self.locked(|ledger| match dropped {
                        Ok(()) => {
                            ledger.unanswered.remove(&number);
                            ledger.dropped.insert(number);
                        }
                        Err(error) => ledger.broken = Some(format!("the inbox takes no file: {error}")),
                    });
                }
                _ => {
                    let answer = sender.post(number);
                    return self.locked(|ledger| ledger.note(number, answer, Todo::Body(number)));
                }
            },
        };
        let (number, answer) = (upload.number, sender.upload(&mut upload));
        let again = if upload.is_begun() { Todo::GoOn(upload) } else { Todo::Body(number) };
        self.locked(|ledger| ledger.note(number, answer, again));
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.ledger.lock().expect("no holder of this lock panics"))
    }
}
