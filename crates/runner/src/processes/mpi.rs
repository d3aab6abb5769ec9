//! MPI: the processes that `mpirun`, `srun` or a Kubernetes MPIJob has started.

use std::sync::{Mutex, PoisonError};

use mpi::Threading;
use mpi::environment::Universe;
use mpi::point_to_point::send_receive_into;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Root};

use super::transport::Transport;

/// Bytes of a message at most: MPI counts with 32 bits.
const MESSAGE: usize = 1 << 30;

/// The processes of MPI's world, joined by the program's main thread.
pub struct Mpi {
    universe: Mutex<Option<Universe>>,
    rank: usize,
    size: usize,
}

impl Mpi {
    /// Joins them, which waits for all; none where this program has joined before.
    pub fn join() -> Option<Self> {
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)?;
        let world = universe.world();
        let [rank, size] = [world.rank(), world.size()].map(|n| usize::try_from(n).unwrap_or(0));
        Some(Self { universe: Mutex::new(Some(universe)), rank, size })
    }

    /// Leaves them, which waits for all. A program that ends without it ends the others.
    pub fn leave(&self) {
        drop(self.universe.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Ends all of them, this one with an exit code.
    pub fn abort(&self, code: u8) -> ! {
        world().abort(code.into())
    }

    fn broadcast_from(&self, rank: usize, mut bytes: Vec<u8>) -> Vec<u8> {
        let world = world();
        let root = world.process_at_rank(rank as i32);
        let mut length = bytes.len() as u64;
        root.broadcast_into(&mut length);
        bytes.resize(length as usize, 0);
        bytes.chunks_mut(MESSAGE).for_each(|part| root.broadcast_into(part));
        bytes
    }
}

fn world() -> SimpleCommunicator {
    SimpleCommunicator::world()
}

impl Transport for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn exchange(&self, partner: usize, sent: &[f32], received: &mut [f32]) {
        let world = world();
        let partner = world.process_at_rank(partner as i32);
        // Halves of an odd number of values differ by one, so both sides count to the larger.
        let each = MESSAGE / size_of::<f32>();
        for message in 0..sent.len().max(received.len()).div_ceil(each) {
            let part = |len: usize| (message * each).min(len)..((message + 1) * each).min(len);
            let (to, from) = (part(sent.len()), part(received.len()));
            send_receive_into(&sent[to], &partner, &mut received[from], &partner);
        }
    }

    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.broadcast_from(0, bytes)
    }

    fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let own = |rank| if rank == self.rank { bytes.to_vec() } else { Vec::new() };
        (0..self.size).map(|rank| self.broadcast_from(rank, own(rank))).collect()
    }
}
