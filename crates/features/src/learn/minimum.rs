//! The minimum of a function of one number, by the method of Brent (1973), "Algorithms for Minimization without
//! Derivatives", chapter 5: parabolas, and golden sections where they do not help.
//!
//! Both searches take the steps of `scipy.optimize` (`brent` with `bracket`, and `fminbound`), so that they end where it
//! ends: the minimum of a likelihood is flat, and another search would differ in the eighth digit.

const ITERATIONS_MAX: u32 = 500;
/// Relative tolerance of scipy's searches.
const TOLERANCE: f64 = 1.48e-8;

/// Three points of which the middle one is lowest, with their values.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bracket {
    a: f64,
    b: f64,
    c: f64,
    at_b: f64,
}

/// The minimum near two points, which need not lie around it. `None` when no valley was found.
pub(crate) fn brent<E>(mut f: impl FnMut(f64) -> Result<f64, E>, start: (f64, f64)) -> Result<Option<f64>, E> {
    let Some(bracket) = bracket(&mut f, start)? else { return Ok(None) };
    let (low, high) = (bracket.a.min(bracket.c), bracket.a.max(bracket.c));
    let tolerance = |x: f64| TOLERANCE * x.abs() + 1e-11;
    let valley = Valley { low, high, x: bracket.b, at_x: bracket.at_b, golden: 0.381_966_0, margin: tolerance };
    valley.descend(&mut f).map(Some)
}

/// The minimum between two bounds.
pub(crate) fn bounded<E>(mut f: impl FnMut(f64) -> Result<f64, E>, low: f64, high: f64) -> Result<f64, E> {
    let golden = 0.5 * (3.0 - 5.0_f64.sqrt());
    let x = low + golden * (high - low);
    let at_x = f(x)?;
    let margin = |x: f64| f64::EPSILON.sqrt() * x.abs() + TOLERANCE / 3.0;
    Valley { low, high, x, at_x, golden, margin }.descend(&mut f)
}

/// `scipy.optimize.bracket`: walks downhill in growing steps until it goes up again.
fn bracket<E>(f: &mut impl FnMut(f64) -> Result<f64, E>, start: (f64, f64)) -> Result<Option<Bracket>, E> {
    const GOLDEN: f64 = 1.618_034;
    const GROWTH_MAX: f64 = 110.0;
    const STEPS_MAX: u32 = 1000;
    const SMALL: f64 = 1e-21;
    let ((mut a, mut b), (mut at_a, mut at_b)) = (start, (f(start.0)?, f(start.1)?));
    if at_a < at_b {
        ((a, b), (at_a, at_b)) = ((b, a), (at_b, at_a));
    }
    let mut c = b + GOLDEN * (b - a);
    let mut at_c = f(c)?;
    for _ in 0..STEPS_MAX {
        // Also ends where a value is no number.
        if at_c >= at_b || at_c.is_nan() || at_b.is_nan() {
            break;
        }
        let (one, other) = ((b - a) * (at_b - at_c), (b - c) * (at_b - at_a));
        let difference = other - one;
        let denominator = 2.0 * if difference.abs() < SMALL { SMALL } else { difference };
        let mut w = b - ((b - c) * other - (b - a) * one) / denominator;
        let limit = b + GROWTH_MAX * (c - b);
        let mut at_w;
        if (w - c) * (b - w) > 0.0 {
            at_w = f(w)?;
            if at_w < at_c {
                (a, b, at_a, at_b) = (b, w, at_b, at_w);
                break;
            } else if at_w > at_b {
                (c, at_c) = (w, at_w);
                break;
            }
            w = c + GOLDEN * (c - b);
            at_w = f(w)?;
        } else if (w - limit) * (limit - c) >= 0.0 {
            w = limit;
            at_w = f(w)?;
        } else if (w - limit) * (c - w) > 0.0 {
            at_w = f(w)?;
            if at_w < at_c {
                (b, c, at_b, at_c) = (c, w, at_c, at_w);
                w = c + GOLDEN * (c - b);
                at_w = f(w)?;
            }
        } else {
            w = c + GOLDEN * (c - b);
            at_w = f(w)?;
        }
        (a, b, c, at_a, at_b, at_c) = (b, c, w, at_b, at_c, at_w);
    }
    let is_valley = at_b < at_c && at_b <= at_a || at_b < at_a && at_b <= at_c;
    let is_ordered = a < b && b < c || c < b && b < a;
    let is_finite = a.is_finite() && b.is_finite() && c.is_finite();
    Ok((is_valley && is_ordered && is_finite).then_some(Bracket { a, b, c, at_b }))
}

/// A stretch with a minimum in it, and the best point so far.
struct Valley<M> {
    low: f64,
    high: f64,
    x: f64,
    at_x: f64,
    /// Share of the longer side that a golden section takes.
    golden: f64,
    /// How near to a point another one makes no difference.
    margin: M,
}

impl<M: Fn(f64) -> f64> Valley<M> {
    /// Narrows the stretch until it is as small as the margin.
    fn descend<E>(mut self, f: &mut impl FnMut(f64) -> Result<f64, E>) -> Result<f64, E> {
        // The second and the third best point, the last step and the one before.
        let (mut w, mut v, mut at_w, mut at_v) = (self.x, self.x, self.at_x, self.at_x);
        let (mut step, mut before) = (0.0_f64, 0.0_f64);
        for _ in 0..ITERATIONS_MAX {
            let middle = 0.5 * (self.low + self.high);
            let margin = (self.margin)(self.x);
            if (self.x - middle).abs() <= 2.0 * margin - 0.5 * (self.high - self.low) {
                break;
            }
            let parabola = if before.abs() > margin { self.parabola((w, at_w), (v, at_v), before) } else { None };
            if before.abs() > margin {
                before = step;
            }
            match parabola {
                Some(found) => {
                    step = found;
                    let u = self.x + step;
                    if u - self.low < 2.0 * margin || self.high - u < 2.0 * margin {
                        step = if middle >= self.x { margin } else { -margin };
                    }
                }
                None => {
                    before = if self.x >= middle { self.low - self.x } else { self.high - self.x };
                    step = self.golden * before;
                }
            }
            let u = self.x + if step >= 0.0 { step.abs().max(margin) } else { -step.abs().max(margin) };
            let at_u = f(u)?;
            if at_u <= self.at_x {
                *(if u >= self.x { &mut self.low } else { &mut self.high }) = self.x;
                (v, at_v) = (w, at_w);
                (w, at_w) = (self.x, self.at_x);
                (self.x, self.at_x) = (u, at_u);
            } else {
                *(if u < self.x { &mut self.low } else { &mut self.high }) = u;
                if at_u <= at_w || w == self.x {
                    (v, at_v) = (w, at_w);
                    (w, at_w) = (u, at_u);
                } else if at_u <= at_v || v == self.x || v == w {
                    (v, at_v) = (u, at_u);
                }
            }
        }
        Ok(self.x)
    }

    /// The step to the bottom of the parabola through three points, when it lies inside and is less than half of the step
    /// before the last.
    fn parabola(&self, (w, at_w): (f64, f64), (v, at_v): (f64, f64), before: f64) -> Option<f64> {
        let r = (self.x - w) * (self.at_x - at_v);
        let q = (self.x - v) * (self.at_x - at_w);
        let p = (self.x - v) * q - (self.x - w) * r;
        let q = 2.0 * (q - r);
        let (p, q) = if q > 0.0 { (-p, q) } else { (p, -q) };
        let is_inside = p > q * (self.low - self.x) && p < q * (self.high - self.x);
        (is_inside && p.abs() < (0.5 * q * before).abs()).then(|| p / q)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn total(f: impl Fn(f64) -> f64) -> impl Fn(f64) -> Result<f64, Infallible> {
        move |x| Ok(f(x))
    }

    #[test]
    fn finds_the_bottom_of_a_valley() {
        for bottom in [-300.0, -2.0, 0.0, 0.3, 1.0, 55.0] {
            let Ok(found) = brent(total(|x| (x - bottom).powi(2) + 1.0), (-2.0, 2.0));
            assert!((found.unwrap() - bottom).abs() < 1e-6 * (1.0 + bottom.abs()), "{found:?}");
            let Ok(found) = bounded(total(|x| (x - bottom).cosh()), bottom - 3.0, bottom + 5.0);
            assert!((found - bottom).abs() < 1e-6 * (1.0 + bottom.abs()), "{found}");
        }
    }

    #[test]
    fn a_slope_without_end_has_no_minimum() {
        let Ok(found) = brent(total(|x| -x), (-2.0, 2.0));
        assert_eq!(found, None);
        let Ok(found) = brent(total(|_| f64::NAN), (-2.0, 2.0));
        assert_eq!(found, None);
        let Ok(found) = brent(total(|_| 1.0), (-2.0, 2.0));
        assert_eq!(found, None);
    }

    #[test]
    fn between_bounds_the_minimum_may_be_one_of_them() {
        let Ok(found) = bounded(total(|x| x), 1.0, 4.0);
        assert!((found - 1.0).abs() < 1e-6, "{found}");
    }
}
