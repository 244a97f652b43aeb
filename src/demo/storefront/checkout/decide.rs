//! Whether somebody gets what they have seen, at the price they have seen.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What somebody wants to buy, as their page shows it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Wanted {
    pub(super) product_id: i64,
    pub(super) variant_id: Option<i64>,
    pub(super) quantity: i32,
    pays: f64,
}

/// What it is, in a row that nobody changes meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goods {
    /// Which of the wanted it is, from 0.
    pub(super) place: i64,
    pub(super) seller_id: i64,
    pub(super) store_id: i64,
    pub(super) for_sale: bool,
    pub(super) sale_id: Option<i64>,
    pub(super) cents: i64,
    pub(super) available: i32,
}

/// Why something cannot be bought like this.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Problem {
    product_id: i64,
    variant_id: Option<i64>,
    kind: &'static str,
    was: Value,
    is: Value,
}

/// A line of an order.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Bought {
    product_id: i64,
    variant_id: Option<i64>,
    quantity: i32,
    pays: f64,
    seller_id: i64,
    store_id: i64,
    sale_id: Option<i64>,
}

/// All of it, or everything that speaks against it.
pub(super) fn decide(wanted: &[Wanted], goods: &[Goods]) -> Result<Vec<Bought>, Vec<Problem>> {
    let (mut bought, mut problems) = (Vec::new(), Vec::new());
    for (place, line) in (0..).zip(wanted) {
        let goods = goods.iter().find(|goods| goods.place == place);
        match judge(line, goods) {
            Ok(fine) => bought.push(fine),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(bought)
    } else {
        Err(problems)
    }
}

fn judge(wanted: &Wanted, goods: Option<&Goods>) -> Result<Bought, Vec<Problem>> {
    let Wanted {
        product_id,
        variant_id,
        quantity,
        pays,
    } = *wanted;
    let problem = |kind, was, is| Problem {
        product_id,
        variant_id,
        kind,
        was,
        is,
    };
    let gone = |is| vec![problem("gone", json!("active"), json!(is))];
    let goods = goods.ok_or_else(|| gone("deleted"))?;
    if !goods.for_sale {
        return Err(gone("inactive"));
    }
    let mut problems = Vec::new();
    if cents(pays) != Some(goods.cents) {
        problems.push(problem("price", json!(pays), json!(money(goods.cents))));
    }
    if goods.available < quantity {
        let is = goods.available.max(0);
        problems.push(problem("stock", json!(quantity), json!(is)));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Bought {
        product_id,
        variant_id,
        quantity,
        pays: money(goods.cents),
        seller_id: goods.seller_id,
        store_id: goods.store_id,
        sale_id: goods.sale_id,
    })
}

/// Nothing for what is no amount of money.
fn cents(amount: f64) -> Option<i64> {
    let cents = (amount * 100.0).round();
    // Within this range every whole number is exact.
    (0.0..=1e15).contains(&cents).then_some(cents as i64)
}

fn money(cents: i64) -> f64 {
    cents as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOODS: Goods = Goods {
        place: 0,
        seller_id: 11,
        store_id: 1,
        for_sale: true,
        sale_id: None,
        cents: 1990,
        available: 2,
    };

    fn wanted(quantity: i32, pays: f64) -> Wanted {
        Wanted {
            product_id: 1,
            variant_id: None,
            quantity,
            pays,
        }
    }

    fn kinds(wanted: &[Wanted], goods: &[Goods]) -> Vec<&'static str> {
        let problems = decide(wanted, goods).err().unwrap_or_default();
        problems.iter().map(|problem| problem.kind).collect()
    }

    #[test]
    fn what_is_there_is_sold_at_the_price_that_was_seen() {
        let bought = decide(&[wanted(2, 19.9)], &[GOODS]).expect("sold");
        assert_eq!((bought[0].quantity, bought[0].pays), (2, 19.9));
        // A page may have computed it.
        assert!(decide(&[wanted(2, 39.8 / 2.0 + 1e-9)], &[GOODS]).is_ok());
    }

    #[test]
    fn whatever_speaks_against_it_is_said_at_once() {
        assert_eq!(kinds(&[wanted(3, 18.0)], &[GOODS]), ["price", "stock"]);
        let inactive = Goods {
            for_sale: false,
            ..GOODS
        };
        assert_eq!(kinds(&[wanted(3, 18.0)], &[inactive]), ["gone"]);
        assert_eq!(kinds(&[wanted(1, 19.9)], &[]), ["gone"]);
    }

    #[test]
    fn one_problem_keeps_all_of_it_from_being_sold() {
        let second = Goods { place: 1, ..GOODS };
        let lines = [wanted(1, 19.9), wanted(3, 19.9)];
        assert_eq!(kinds(&lines, &[GOODS, second]), ["stock"]);
    }

    #[test]
    fn what_is_no_amount_of_money_is_no_price() {
        for pays in [-19.9, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(kinds(&[wanted(1, pays)], &[GOODS]), ["price"]);
        }
    }
}
