//! A larger table, the same at every run.

use std::fmt::Write;

/// Makes the CSV of `rows` orders: numbers, texts with quotes and commas, dates, booleans and some missing values.
pub(crate) fn orders(rows: u64) -> Vec<u8> {
    let mut random = SplitMix(42);
    let mut text = String::with_capacity(usize::try_from(rows).unwrap_or(0) * 90);
    text.push_str("order_id,ordered_at,customer,region,product,quantity,unit_price,discount,paid,note\n");
    let regions = ["north", "south", "east", "west"];
    let products = ["flour, fine", "flour, coarse", "bran", "semolina", "rye \"old mill\"", "oats"];
    for id in 1..=rows {
        let product = products[random.below(6)].replace('"', "\"\"");
        let discount = if random.below(10) == 0 { String::new() } else { format!("0.{:02}", random.below(30)) };
        let note = if random.below(4) == 0 { "N/A" } else { "delivered on time" };
        let row = writeln!(
            text,
            "{id},2025-{:02}-{:02}T{:02}:{:02}:00Z,customer {},{},\"{product}\",{},{}.{:02},{discount},{},{note}",
            1 + random.below(12),
            1 + random.below(28),
            random.below(24),
            random.below(60),
            random.below(5000),
            regions[random.below(4)],
            1 + random.below(40),
            1 + random.below(90),
            random.below(100),
            random.below(8) != 0,
        );
        row.expect("writing to a string cannot fail");
    }
    text.into_bytes()
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        usize::try_from(z % u64::try_from(bound).unwrap_or(1)).unwrap_or(0)
    }
}
