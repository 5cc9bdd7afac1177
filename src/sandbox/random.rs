//! Randomness from a seed, with the few distributions that the world needs.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers. Streams of one seed are independent of each other, so that one part of the world can
/// draw more or fewer without changing what another part draws.
#[derive(Clone, Debug)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// The stream with this number of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// How far it is, in 32-bit words.
    pub(crate) fn position(&self) -> u128 {
        self.0.get_word_pos()
    }

    /// Goes on from there.
    pub(crate) fn go_on_from(&mut self, position: u128) {
        self.0.set_word_pos(position);
    }

    /// Uniform in 0..1, one excluded.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform between the two.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        assert!(count > 0, "nothing to choose from");
        // The high half of a 128-bit product: uniform up to a bias of count / 2^64.
        let product = u128::from(self.0.next_u64()) * count as u128;
        usize::try_from(product >> 64).unwrap_or_default()
    }

    /// About normal: mean 0, deviation 1, never beyond 6. The sum of twelve uniform numbers needs no logarithm, whose
    /// last bit differs between machines.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_a_seed_are_independent_and_repeatable() {
        let draw = |seed, stream| Random::new(seed, stream).below(usize::MAX);
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }

    #[test]
    fn a_stream_goes_on_from_where_it_was() {
        let mut random = Random::new(1, 3);
        assert!((0..7).map(|_| random.unit()).sum::<f64>() > 0.0);
        let mut other = Random::new(1, 3);
        other.go_on_from(random.position());
        assert!((0..100).all(|_| random.below(1000) == other.below(1000)));
    }

    #[test]
    fn distributions_have_the_moments_they_promise() {
        let mut random = Random::new(3, 0);
        let normals: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = normals.iter().sum::<f64>() / 20_000.0;
        let variance = normals.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let mut counts = [0; 7];
        (0..7000).for_each(|_| counts[random.below(7)] += 1);
        assert!(counts.iter().all(|&count| (800..1200).contains(&count)), "{counts:?}");
    }
}
