//! Processes that are threads of one.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use super::transport::Transport;

/// What one thread sends to another.
enum Message {
    Numbers(Vec<f32>),
    Bytes(Vec<u8>),
}

/// One of the threads.
pub(super) struct Thread {
    rank: usize,
    to: Vec<Sender<Message>>,
    from: Vec<Mutex<Receiver<Message>>>,
}

/// All threads, by number.
pub(super) fn all(size: usize) -> Vec<Thread> {
    let mut all: Vec<Thread> =
        (0..size).map(|rank| Thread { rank, to: Vec::new(), from: Vec::new() }).collect();
    for from in 0..size {
        for to in 0..size {
            let (sender, receiver) = channel();
            all[from].to.push(sender);
            all[to].from.push(Mutex::new(receiver));
        }
    }
    all
}

impl Thread {
    fn send(&self, to: usize, message: Message) {
        // Who waits for a thread that has ended panics, too.
        let _ = self.to[to].send(message);
    }

    fn receive(&self, from: usize) -> Message {
        let receiver = self.from[from].lock().unwrap_or_else(PoisonError::into_inner);
        receiver
            .recv()
            .unwrap_or_else(|_| panic!("thread {from} has ended before thread {}", self.rank))
    }

    fn bytes(&self, from: usize) -> Vec<u8> {
        match self.receive(from) {
            Message::Bytes(bytes) => bytes,
            Message::Numbers(_) => panic!("thread {from} sent numbers where bytes were expected"),
        }
    }
}

impl Transport for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn exchange(&self, partner: usize, sent: &[f32], received: &mut [f32]) {
        self.send(partner, Message::Numbers(sent.to_vec()));
        match self.receive(partner) {
            Message::Numbers(numbers) => received.copy_from_slice(&numbers),
            Message::Bytes(_) => panic!("thread {partner} sent bytes where numbers were expected"),
        }
    }

    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.rank == 0 {
            (1..self.size()).for_each(|to| self.send(to, Message::Bytes(bytes.clone())));
            return bytes;
        }
        self.bytes(0)
    }

    fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        (0..self.size()).for_each(|to| self.send(to, Message::Bytes(bytes.to_vec())));
        (0..self.size()).map(|from| self.bytes(from)).collect()
    }
}
