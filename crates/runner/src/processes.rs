//! The processes that train one net together.
//!
//! Each holds the whole net, computes the gradients of its pieces of every batch ([`Pieces`](taper_dataset::Pieces))
//! and makes the same updates. All that they tell each other goes through here; what carries it is a [`Transport`].

mod transport;

#[cfg(feature = "mpi")]
mod mpi;
mod threads;

use std::ops::Range;
use std::sync::Arc;

use crate::error::{RunnerError, setting};

#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use transport::Transport;

/// The processes that train one net together, as one of them sees them; by default this one alone.
#[derive(Clone, Default)]
pub struct Processes(Option<Arc<dyn Transport>>);

impl Processes {
    /// Processes that a transport joins.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self(Some(transport))
    }

    /// As many as `size` in this one, as threads: for tests.
    pub fn in_threads(size: usize) -> Vec<Self> {
        threads::all(size).into_iter().map(|one| Self::new(Arc::new(one))).collect()
    }

    /// The number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |transport| transport.rank())
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |transport| transport.size())
    }

    /// Whether a transport joins them, be it to one.
    pub fn are_joined(&self) -> bool {
        self.0.is_some()
    }

    /// Whether this is the one that writes, prints and decides.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// The bytes of process 0, everywhere.
    pub fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        match &self.0 {
            Some(transport) => transport.broadcast(bytes),
            None => bytes,
        }
    }

    /// The bytes of every process, by number, everywhere.
    pub fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        match &self.0 {
            Some(transport) => transport.gather(bytes),
            None => vec![bytes.to_vec()],
        }
    }

    /// The pieces of a batch that are this process's, neighbours all.
    ///
    /// # Errors
    /// More processes than pieces, or a number of them that no tree has.
    pub(crate) fn pieces(&self, count: usize) -> Result<Range<usize>, RunnerError> {
        let (rank, size) = (self.rank(), self.size());
        if !size.is_power_of_two() || size > count {
            let expected = format!("a power of two up to `train.pieces`, {count}");
            return Err(setting("number of processes", size, expected));
        }
        let each = count / size;
        Ok(rank * each..(rank + 1) * each)
    }

    /// This process's share of so many images.
    pub(crate) fn share(&self, images: usize) -> Range<usize> {
        let begin = |rank: usize| images * rank / self.size();
        begin(self.rank())..begin(self.rank() + 1)
    }

    /// Adds each process's numbers in a binary tree, neighbours first, and gives all the sums.
    ///
    /// At each level two partners halve what they hold: each sums one half, so that at the end every process has
    /// the sums of its part, and on the way back the parts are exchanged. Each number travels about twice, however
    /// many processes there are (R. Thakur, R. Rabenseifner and W. Gropp, "Optimization of Collective Communication
    /// Operations in MPICH", 2005); of two addends the order changes nothing.
    pub(crate) fn sum(&self, values: &mut [f32]) {
        let Some(transport) = &self.0 else { return };
        let (rank, mut held, mut levels) = (self.rank(), 0..values.len(), Vec::new());
        let mut received = vec![0.0; values.len().div_ceil(2)];
        for level in 0..self.size().ilog2() {
            let partner = rank ^ (1 << level);
            let middle = held.start + held.len() / 2;
            let (mut mine, mut partners) = (held.start..middle, middle..held.end);
            if rank > partner {
                std::mem::swap(&mut mine, &mut partners);
            }
            let more = &mut received[..mine.len()];
            transport.exchange(partner, &values[partners.clone()], more);
            values[mine.clone()].iter_mut().zip(more).for_each(|(sum, more)| *sum += *more);
            levels.push((partner, mine.clone(), partners));
            held = mine;
        }
        for (partner, mine, partners) in levels.into_iter().rev() {
            let sums = &mut received[..partners.len()];
            transport.exchange(partner, &values[mine], sums);
            values[partners].copy_from_slice(sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of some processes gives.
    fn each<T: Send>(size: usize, run: impl Fn(&Processes) -> T + Sync) -> Vec<T> {
        let run = &run;
        std::thread::scope(|scope| {
            let all = Processes::in_threads(size).into_iter();
            let threads: Vec<_> = all.map(|one| scope.spawn(move || run(&one))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn sums_are_those_of_the_tree_to_the_bit_everywhere() {
        // Rounded, the order of the addends shows.
        let value = |rank: usize, place: usize| 1.0 / (1 + 7 * rank + place) as f32;
        for len in [0, 1, 2, 7, 64] {
            let summed = each(8, |processes| {
                let mut values: Vec<f32> =
                    (0..len).map(|place| value(processes.rank(), place)).collect();
                processes.sum(&mut values);
                values
            });
            let at = |rank: usize, place: usize| value(rank, place) + value(rank + 1, place);
            let four = |rank: usize, place: usize| at(rank, place) + at(rank + 2, place);
            let expected: Vec<f32> =
                (0..len).map(|place| four(0, place) + four(4, place)).collect();
            assert!(summed.iter().all(|values| *values == expected), "{summed:?}");
        }
    }

    #[test]
    fn what_adds_nothing_keeps_the_sign_of_a_zero() {
        let summed = each(2, |processes| {
            let mut values = [-0.0, 0.0, if processes.is_first() { -0.0 } else { 1.0 }];
            processes.sum(&mut values);
            values.map(f32::to_bits)
        });
        assert_eq!(summed, [[-0.0f32, 0.0, 1.0].map(f32::to_bits); 2]);
    }

    #[test]
    fn bytes_reach_everybody() {
        let found = each(4, |processes| {
            let own = vec![processes.rank() as u8; processes.rank()];
            (processes.broadcast(vec![processes.rank() as u8]), processes.gather(&own))
        });
        let all = vec![vec![], vec![1], vec![2, 2], vec![3, 3, 3]];
        assert!(
            found.iter().all(|(first, gathered)| *first == [0] && *gathered == all),
            "{found:?}"
        );
    }

    #[test]
    fn shares_are_neighbours_and_everything() {
        let shares = |images| each(4, |processes| processes.share(images));
        assert_eq!(shares(10), [0..2, 2..5, 5..7, 7..10]);
        assert_eq!(shares(1), [0..0, 0..0, 0..0, 0..1]);
        let pieces = each(4, |processes| processes.pieces(8).unwrap());
        assert_eq!(pieces, [0..2, 2..4, 4..6, 6..8]);
        let refused = each(3, |processes| processes.pieces(8).unwrap_err().to_string());
        assert_eq!(
            refused[2],
            "`number of processes` is 3, expected a power of two up to `train.pieces`, 8"
        );
        assert!(each(4, |processes| processes.pieces(2).is_err()).into_iter().all(|is| is));
    }
}
