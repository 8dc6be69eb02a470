//! Decimal arithmetic of the `…f` functions: exact, except that quotients end behind 16 decimals.
//!
//! Deliberately not here: other arithmetic (see `math`).

use num_bigint::{BigInt, Sign};

use super::ANY;
use super::math::to_float;
use crate::float::format_float;
use crate::function::{Answer, Call, Failure, Function};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    Function::new("add1f", &[ANY], |c, a| fold(c, &[a[0].clone(), Value::int(1)], Decimal::add)),
    Function::variadic("addf", &[ANY], |c, a| {
        let mut all = vec![Value::int(0)];
        all.extend_from_slice(a);
        fold(c, &all, Decimal::add)
    }),
    Function::variadic("subf", &[ANY, ANY], |c, a| fold(c, a, Decimal::sub)),
    Function::variadic("divf", &[ANY, ANY], |c, a| fold(c, a, Decimal::div)),
    Function::variadic("mulf", &[ANY, ANY], |c, a| fold(c, a, Decimal::mul)),
];

const DECIMALS: i32 = 16;

/// `digits` times ten to the power of `exponent`.
struct Decimal {
    digits: BigInt,
    exponent: i32,
}

fn scaled(digits: &BigInt, power: i32) -> BigInt {
    digits * BigInt::from(10).pow(u32::try_from(power).unwrap_or(0))
}

impl Decimal {
    /// The decimal that a float's shortest text shows.
    fn of(value: f64) -> Result<Self, Failure> {
        let text = format_float(value, b'e', None, 64);
        let none = || Failure(format!("Cannot create a Decimal from {text}"));
        let (mantissa, exponent) = text.split_once('e').ok_or_else(none)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}").parse().map_err(|_| none())?;
        let exponent: i32 = exponent.parse().map_err(|_| none())?;
        Ok(Self { digits, exponent: exponent - i32::try_from(fraction.len()).unwrap_or(0) })
    }

    fn aligned(self, other: Self) -> (BigInt, BigInt, i32) {
        let low = self.exponent.min(other.exponent);
        (scaled(&self.digits, self.exponent - low), scaled(&other.digits, other.exponent - low), low)
    }

    fn add(self, other: Self) -> Result<Self, Failure> {
        let (a, b, exponent) = self.aligned(other);
        Ok(Self { digits: a + b, exponent })
    }

    fn sub(self, other: Self) -> Result<Self, Failure> {
        let (a, b, exponent) = self.aligned(other);
        Ok(Self { digits: a - b, exponent })
    }

    fn mul(self, other: Self) -> Result<Self, Failure> {
        Ok(Self { digits: self.digits * other.digits, exponent: self.exponent.saturating_add(other.exponent) })
    }

    /// Half a unit of the last decimal rounds away from zero.
    fn div(self, other: Self) -> Result<Self, Failure> {
        if other.digits.sign() == Sign::NoSign {
            return Err("decimal division by 0".into());
        }
        let shift = self.exponent - other.exponent + DECIMALS;
        let (over, under) = (scaled(&self.digits, shift.max(0)), scaled(&other.digits, (-shift).max(0)));
        let mut digits = &over / &under;
        let rest = &over - &digits * &under;
        if (rest.magnitude() * 2_u32) >= *under.magnitude() {
            digits += if over.sign() == under.sign() { 1 } else { -1 };
        }
        Ok(Self { digits, exponent: -DECIMALS })
    }
}

fn fold(call: &mut Call<'_>, a: &[Value], step: fn(Decimal, Decimal) -> Result<Decimal, Failure>) -> Answer {
    let mut result = Decimal::of(a.first().map_or(0.0, to_float))?;
    for value in a.iter().skip(1) {
        call.step(1 + result.digits.bits() / 64)?;
        result = step(result, Decimal::of(to_float(value))?)?;
    }
    let text = format!("{}e{}", result.digits, result.exponent);
    Ok(Value::float(text.parse().unwrap_or(0.0)))
}
