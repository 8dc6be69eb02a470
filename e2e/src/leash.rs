//! The other end of the pipe that a starter holds: its orders, and its end.

use std::io::BufRead;

use tokio::sync::mpsc::{Receiver, channel};

/// The lines of standard input. The channel closes when the starter is gone, however that came about.
///
/// A thread of its own reads them, since a read of standard input can't be called off: the process ends regardless.
pub fn orders() -> Receiver<String> {
    let (send, receive) = channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(std::io::Result::ok) {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receive
}
