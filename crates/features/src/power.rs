//! The power transforms of Box and Cox (1964) and of Yeo and Johnson (2000), as scipy computes them.

/// What is added before Box-Cox, so that 0 has a logarithm.
pub(crate) const BOX_COX_SHIFT: f64 = 1e-10;

/// Box-Cox of `x + 1e-10`; not finite where that is 0 or less. After `scipy.special.boxcox`.
pub(crate) fn box_cox(x: f64, lambda: f64) -> f64 {
    // Below this the power is the logarithm to the last bit.
    const LAMBDA_MIN: f64 = 1e-19;
    // Beyond this the exponential overflows.
    const EXPONENT_MAX: f64 = 709.78;
    let logarithm = (x + BOX_COX_SHIFT).ln();
    let exponent = lambda * logarithm;
    if lambda.abs() < LAMBDA_MIN {
        logarithm
    } else if exponent < EXPONENT_MAX {
        exponent.exp_m1() / lambda
    } else {
        (exponent - lambda.abs().ln()).exp().copysign(lambda) - 1.0 / lambda
    }
}

/// Yeo-Johnson. After `scipy.stats.yeojohnson`.
pub(crate) fn yeo_johnson(x: f64, lambda: f64) -> f64 {
    yeo_johnson_of_log(signed_log(x), lambda)
}

/// `ln(1 + |x|)` with the sign of `x`: all that Yeo-Johnson needs of a number.
pub(crate) fn signed_log(x: f64) -> f64 {
    x.abs().ln_1p().copysign(x)
}

/// Yeo-Johnson of the number with this signed logarithm.
pub(crate) fn yeo_johnson_of_log(signed: f64, lambda: f64) -> f64 {
    let size = signed.abs();
    let (power, sign) = if signed >= 0.0 { (lambda, 1.0) } else { (2.0 - lambda, -1.0) };
    if power.abs() < f64::EPSILON { sign * size } else { sign * (power * size).exp_m1() / power }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{found} is not {expected}");
    }

    #[test]
    fn powers_are_those_of_their_papers() {
        close(box_cox(3.0, 1.0), 2.0 + BOX_COX_SHIFT);
        close(box_cox(4.0, 0.5), 2.0 * ((4.0 + BOX_COX_SHIFT).sqrt() - 1.0));
        close(box_cox(3.0, 0.0), (3.0 + BOX_COX_SHIFT).ln());
        close(yeo_johnson(3.0, 1.0), 3.0);
        close(yeo_johnson(-3.0, 1.0), -3.0);
        close(yeo_johnson(3.0, 0.0), 4.0_f64.ln());
        close(yeo_johnson(-3.0, 2.0), -4.0_f64.ln());
        close(yeo_johnson(3.0, 2.0), 7.5);
    }

    #[test]
    fn what_has_no_power_is_not_finite() {
        assert!(!box_cox(-1.0, 0.5).is_finite());
        assert!(!box_cox(-BOX_COX_SHIFT, 0.5).is_finite() || box_cox(-BOX_COX_SHIFT, 0.5) == -2.0);
        assert!(!box_cox(1e300, 2.0).is_finite());
        assert!(!yeo_johnson(1e300, 2.0).is_finite());
    }
}
