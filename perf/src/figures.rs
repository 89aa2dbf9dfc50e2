//! What is made of several runs' figures.

/// The least, the median and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub low: f64,
    /// The median; of an even number of figures the mean of the two in the middle.
    pub middle: f64,
    /// The greatest.
    pub high: f64,
}

impl Spread {
    /// Of at least one figure.
    ///
    /// # Panics
    /// If there is none.
    pub fn of(figures: &[f64]) -> Spread {
        let mut figures = figures.to_vec();
        figures.sort_by(f64::total_cmp);
        let count = figures.len();
        let middle = (figures[(count - 1) / 2] + figures[count / 2]) / 2.0;
        Spread { low: figures[0], middle, high: figures[count - 1] }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_is_in_the_middle_of_what_is_sorted() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Spread { low: 1.0, middle: 2.0, high: 3.0 });
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 8.0]).middle, 3.0);
        assert_eq!(Spread::of(&[5.0]), Spread { low: 5.0, middle: 5.0, high: 5.0 });
    }
}
