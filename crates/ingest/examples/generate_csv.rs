//! Writes a CSV file of mixed types for benchmarks: the same bytes at every run.
//!
//! `cargo run --release -p gristmill-ingest --example generate_csv -- out.csv [rows]`; 928,000 rows make about 100 MB.

use std::{
    error::Error,
    fs::File,
    io::{BufWriter, Write},
};

/// A small generator with a fixed seed (splitmix64); quality enough for test data.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

const REGIONS: [&str; 6] = ["north", "south", "east", "west", "central", "overseas"];
const PRODUCTS: [&str; 12] = [
    "anvil",
    "bellows",
    "chisel",
    "drill press",
    "emery, fine",
    "file",
    "gouge",
    "hammer",
    "iron \"T\"",
    "jig",
    "knurl",
    "lathe",
];
const ROWS: u64 = 928_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: generate_csv <out.csv> [rows]")?;
    let rows = arguments.next().map_or(Ok(ROWS), |rows| rows.parse())?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(out, "id,order_ref,sold_at,region,product,quantity,unit_price,discount,total,customer,rating,is_member,note")?;
    let mut random = Random(42);
    for id in 1..=rows {
        write_row(&mut out, id, &mut random)?;
    }
    out.flush()?;
    Ok(())
}

fn write_row(out: &mut impl Write, id: u64, random: &mut Random) -> Result<(), Box<dyn Error>> {
    let second = id * 17 + random.below(17);
    let (day, hour, minute) = (second / 86_400, second / 3600 % 24, second / 60 % 60);
    let (year, month, day) = (2020 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
    write!(
        out,
        "{id},ORD-{:08}-{},{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02},",
        id * 7 % 100_000_000,
        id % 10,
        second % 60
    )?;
    let region = usize::try_from(random.below(6))?;
    let product = usize::try_from(random.below(12))?;
    let product = PRODUCTS.get(product).copied().unwrap_or_default();
    write!(out, "{},", REGIONS.get(region).copied().unwrap_or_default())?;
    if product.contains([',', '"']) {
        write!(out, "\"{}\",", product.replace('"', "\"\""))?;
    } else {
        write!(out, "{product},")?;
    }
    let (quantity, cents, discount) = (random.below(50) + 1, random.below(99_900) + 100, random.below(40));
    let total = quantity * cents * (100 - discount);
    write!(out, "{quantity},{}.{:02},0.{discount:02},{}.{:04},", cents / 100, cents % 100, total / 10_000, total % 10_000)?;
    write!(out, "C{:06},", random.below(200_000))?;
    match random.below(10) {
        0 => write!(out, ",")?,
        1 => write!(out, "N/A,")?,
        _ => write!(out, "{}.{},", random.below(4) + 1, random.below(10))?,
    }
    write!(out, "{},", if random.below(3) == 0 { "true" } else { "false" })?;
    match random.below(4) {
        0 => writeln!(out, "order {:x} was packed twice", random.next())?,
        1 => writeln!(out, "call back")?,
        _ => writeln!(out)?,
    }
    Ok(())
}
