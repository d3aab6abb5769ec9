//! What carries numbers and bytes between processes.

/// What carries numbers and bytes between processes. All call the same methods in the same order; a process that
/// fails has to end the others, which wait for it.
pub trait Transport: Send + Sync {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// How many processes there are.
    fn size(&self) -> usize;

    /// Sends numbers to a partner, and receives as many as there is room for, which the partner sends at the same time.
    fn exchange(&self, partner: usize, sent: &[f32], received: &mut [f32]);

    /// The bytes of process 0, everywhere.
    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8>;

    /// The bytes of every process, by number, everywhere.
    fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>>;
}
