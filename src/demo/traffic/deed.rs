use fastrand::Rng;
use sqlx::PgConnection;

/// One statement's worth of business.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    /// Somebody buys one to three of a product, if that many are left.
    Order,
    /// Somebody's order moves on: paid, shipped, completed, or now and then cancelled.
    Progress,
    /// A pallet arrives for a product that runs low.
    Restock,
    /// A product gets dearer or cheaper.
    Reprice,
    /// A product gets a new description.
    Describe,
    /// A seller takes a product off the shelf, or puts one back.
    Shelve,
    /// A sale that starts in a few seconds, and ends by itself.
    Sale,
    /// A seller changes all prices at once.
    RepriceAll,
    /// Old orders and sales go, so that the shop can stay open for weeks.
    Archive,
}

/// How often each deed is done, out of the sum.
const SHARES: [(Deed, u32); 9] = [
    (Deed::Order, 40),
    (Deed::Progress, 25),
    (Deed::Restock, 10),
    (Deed::Reprice, 12),
    (Deed::Describe, 4),
    (Deed::Shelve, 3),
    (Deed::Sale, 4),
    (Deed::RepriceAll, 1),
    (Deed::Archive, 1),
];

impl Deed {
    /// As often as its share.
    pub(super) fn any(chance: &mut Rng) -> Self {
        let all = SHARES.iter().map(|(_, share)| share).sum();
        let mut ticket = chance.u32(0..all);
        for (deed, share) in SHARES {
            if ticket < share {
                return deed;
            }
            ticket -= share;
        }
        Self::Order
    }

    /// Does it once, as one statement: parameter 1 picks the rows, parameter 2 is how much.
    pub(super) async fn perform(
        self,
        connection: &mut PgConnection,
        chance: &mut Rng,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(self.sql())
            .bind(self.pick(chance))
            .bind(chance.i32(1..=3))
            .execute(connection)
            .await?;
        Ok(())
    }

    /// From 0 to below 1. Squared where products are meant, because a few are popular and most are
    /// not.
    fn pick(self, chance: &mut Rng) -> f64 {
        let pick = chance.f64();
        match self {
            Self::Order | Self::Reprice | Self::Describe | Self::Sale => pick * pick,
            _ => pick,
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Order => include_str!("order.sql"),
            Self::Progress => include_str!("progress.sql"),
            Self::Restock => include_str!("restock.sql"),
            Self::Reprice => include_str!("reprice.sql"),
            Self::Describe => include_str!("describe.sql"),
            Self::Shelve => include_str!("shelve.sql"),
            Self::Sale => include_str!("sale.sql"),
            Self::RepriceAll => include_str!("reprice_all.sql"),
            Self::Archive => include_str!("archive.sql"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shops_with_the_same_seed_do_the_same() {
        let day = |seed| {
            let mut chance = Rng::with_seed(seed);
            let deeds = (0..50).map(|_| format!("{:?}", Deed::any(&mut chance)));
            deeds.collect::<Vec<_>>()
        };
        assert_eq!(day(7), day(7));
        assert_ne!(day(7), day(8));
    }
}
