//! The tables of TPC-H, made here: the data is the benchmark's own, so that a set's answers do not depend on a file.

use std::fmt::{Display, Write as _};

use tpchgen::{
    csv::{CustomerCsv, LineItemCsv, NationCsv, OrderCsv, PartCsv, PartSuppCsv, RegionCsv, SupplierCsv},
    generators::{
        CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator, RegionGenerator,
        SupplierGenerator,
    },
};

/// File names and CSV texts of the eight tables.
pub(crate) fn tables(scale: f64) -> Vec<(String, Vec<u8>)> {
    vec![
        table("region", RegionCsv::header(), RegionGenerator::new(scale, 1, 1).iter().map(RegionCsv::new)),
        table("nation", NationCsv::header(), NationGenerator::new(scale, 1, 1).iter().map(NationCsv::new)),
        table("supplier", SupplierCsv::header(), SupplierGenerator::new(scale, 1, 1).iter().map(SupplierCsv::new)),
        table("customer", CustomerCsv::header(), CustomerGenerator::new(scale, 1, 1).iter().map(CustomerCsv::new)),
        table("part", PartCsv::header(), PartGenerator::new(scale, 1, 1).iter().map(PartCsv::new)),
        table("partsupp", PartSuppCsv::header(), PartSuppGenerator::new(scale, 1, 1).iter().map(PartSuppCsv::new)),
        table("orders", OrderCsv::header(), OrderGenerator::new(scale, 1, 1).iter().map(OrderCsv::new)),
        table("lineitem", LineItemCsv::header(), LineItemGenerator::new(scale, 1, 1).iter().map(LineItemCsv::new)),
    ]
}

fn table(name: &str, header: &str, rows: impl Iterator<Item = impl Display>) -> (String, Vec<u8>) {
    let mut text = format!("{header}\n");
    for row in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{row}");
    }
    (format!("{name}.csv"), text.into_bytes())
}
