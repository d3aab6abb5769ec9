//! Addresses of several countries, made up.

use taper_dataset::random::Random;

/// An address, and its postcode.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub lines: Vec<String>,
    /// The postcode's digits and what parts them.
    pub code: String,
    /// The line that it stands in.
    pub code_line: usize,
}

/// How a country writes addresses.
struct Country {
    name: &'static str,
    first: &'static [&'static str],
    last: &'static [&'static str],
    /// `#` stands for the number of the house.
    streets: &'static [&'static str],
    cities: &'static [&'static str],
    /// Postcodes, `d` for a digit.
    codes: &'static [&'static str],
    /// The line of the postcode: `@` stands for it, `*` for the city, `A` for a letter.
    last_line: &'static str,
}

const COUNTRIES: &[Country] = &[
    Country {
        name: "GERMANY",
        first: &["Max", "Anna", "Jürgen", "Sabine", "Lukas", "Frau Dr. Eva", "Herrn Karl"],
        last: &["Mustermann", "Schäfer", "Müller", "Vogt", "Weiß", "Zimmermann", "Quandt"],
        streets: &[
            "Hauptstraße #",
            "Am Bahnhof #",
            "Lindenallee # a",
            "Goethestr. #",
            "Postfach # 12",
        ],
        cities: &[
            "Berlin",
            "Hamburg",
            "Köln",
            "Bonn",
            "Frankfurt am Main",
            "Jena",
            "Weil der Stadt",
        ],
        codes: &["ddddd"],
        last_line: "@ *",
    },
    Country {
        name: "USA",
        first: &["John", "Mary", "Olivia", "Mr. James", "Zoe", "William B.", "Ms. Kate"],
        last: &["Smith", "O'Neil", "Johnson", "Diaz", "Fox", "Washington", "Ibsen & Sons"],
        streets: &[
            "# Main Street",
            "# Oak Ave.",
            "# W 42nd St, Apt. 5",
            "PO Box #",
            "# Sunset Blvd",
        ],
        cities: &["Springfield", "Boston", "Salt Lake City", "Austin", "Los Angeles", "Zion"],
        codes: &["ddddd", "ddddd-dddd"],
        last_line: "*, AA @",
    },
    Country {
        name: "FRANCE",
        first: &["Jean", "Hélène", "M. Pierre", "Mme Odile", "Zacharie", "Luc"],
        last: &["Dupont", "Lefèvre", "Garçon", "Martin", "Bois", "Quentin"],
        streets: &["# rue de la Paix", "# bis, av. Victor Hugo", "# bd Voltaire", "BP #"],
        cities: &["PARIS", "LYON CEDEX 02", "MARSEILLE", "ORLEANS", "Brest", "Nice"],
        codes: &["ddddd"],
        last_line: "@ *",
    },
    Country {
        name: "NETHERLANDS",
        first: &["Jan", "Sanne", "Dhr. Piet", "Mevr. E.", "Lotte"],
        last: &["de Vries", "Bakker", "van den Berg", "Smit", "Visser"],
        streets: &["Dorpsstraat #", "Kerkweg # B", "Prinsengracht #", "Postbus #"],
        cities: &["Amsterdam", "UTRECHT", "Den Haag", "Breda", "Zwolle"],
        codes: &["dddd"],
        last_line: "@ AA *",
    },
    Country {
        name: "AUSTRIA",
        first: &["Josef", "Maria", "Franz", "Ing. Otto"],
        last: &["Gruber", "Hölzl", "Bauer", "Zwerger"],
        streets: &["Ringstraße #/2/14", "Dorfplatz #", "Mozartgasse #"],
        cities: &["Wien", "Graz", "Salzburg", "Bad Ischl"],
        codes: &["dddd"],
        last_line: "@ *",
    },
    Country {
        name: "SWITZERLAND",
        first: &["Urs", "Claire", "Reto", "Fam."],
        last: &["Meier", "Favre", "Rossi", "Zollinger"],
        streets: &["Bahnhofstrasse #", "Rue du Lac #", "Via Monte # B"],
        cities: &["Zürich", "Genève", "Bern 7", "Lugano"],
        codes: &["dddd"],
        last_line: "@ *",
    },
    Country {
        name: "SWEDEN",
        first: &["Sven", "Astrid", "Björn", "Ida"],
        last: &["Svensson", "Lindgren", "Öberg", "Berg"],
        streets: &["Storgatan #", "Box #", "Sveavägen # B"],
        cities: &["STOCKHOLM", "Göteborg", "Lund", "BORÄS"],
        codes: &["ddd dd"],
        last_line: "@ *",
    },
    Country {
        name: "POLAND",
        first: &["Piotr", "Zofia", "Jan", "Ewa"],
        last: &["Nowak", "Kowalski", "Lis", "Zielinska"],
        streets: &["ul. Polna #", "ul. Szkolna # m. 3", "os. Lesne #"],
        cities: &["Warszawa", "Gdansk", "Poznan", "Bielsko-Biala"],
        codes: &["dd-ddd"],
        last_line: "@ *",
    },
    Country {
        name: "ITALY",
        first: &["Luigi", "Sig.ra Bianca", "Gino", "Elisa"],
        last: &["Rossi", "Bellini", "Di Marzio", "Zoppi"],
        streets: &["Via Roma, #", "Piazza Dante #", "Corso Italia #/B"],
        cities: &["Roma RM", "Milano MI", "Bologna BO", "Siena SI"],
        codes: &["ddddd"],
        last_line: "@ *",
    },
    Country {
        name: "SPAIN",
        first: &["José", "Lucía", "D. Pablo", "Inés"],
        last: &["García", "López", "Núñez", "Ibáñez"],
        streets: &["Calle Mayor, #", "Avda. del Sol # 2 B", "Plaza Nueva #"],
        cities: &["Madrid", "SEVILLA", "Bilbao (Bizkaia)", "Zaragoza"],
        codes: &["ddddd"],
        last_line: "@ *",
    },
    Country {
        name: "BRASIL",
        first: &["João", "Sra. Beatriz", "Luiz", "Olga"],
        last: &["Silva", "Souza", "Oliveira", "Dias"],
        streets: &["Rua das Flores, #", "Av. Brasil, # - Bl. 2", "Travessa do Sol #"],
        cities: &["Rio de Janeiro", "Salvador", "Belo Horizonte", "Olinda"],
        codes: &["ddddd-ddd"],
        last_line: "@ * - AA",
    },
    Country {
        name: "INDIA",
        first: &["Shri Ravi", "Sunita", "Dr. Bose", "Isha"],
        last: &["Sharma", "Gill", "Iyer", "Das"],
        streets: &["#, M.G. Road", "Plot #, Sector 9", "H.No. #/B, Park Lane"],
        cities: &["New Delhi", "Mumbai", "Bengaluru", "Pune"],
        codes: &["dddddd", "ddd ddd"],
        last_line: "* - @",
    },
];

const COMPANIES: &[&str] = &[
    "Bloss & Sohn GmbH",
    "ISO Logistics Ltd.",
    "Soleil SA",
    "BOZ Ltd",
    "Global Bills Inc.",
    "Zollamt Nord",
    "Abteilung 3B",
    "Studio 8",
    "Opal Gas",
    "LOBSTER BOOKS",
];

/// One of several.
pub(crate) fn pick<'a, T: ?Sized>(random: &mut Random, some: &[&'a T]) -> &'a T {
    some[random.below(some.len())]
}

/// Digits in the place of each `d`, and a capital in that of each `A`.
pub(crate) fn fill(pattern: &str, random: &mut Random) -> String {
    let letter = |letter| match letter {
        'd' => char::from(b'0' + random.below(10) as u8),
        'A' => char::from(b'A' + random.below(26) as u8),
        other => other,
    };
    pattern.chars().map(letter).collect()
}

/// An address of any country.
pub(crate) fn draw(random: &mut Random) -> Address {
    let country = &COUNTRIES[random.below(COUNTRIES.len())];
    let mut lines = Vec::new();
    if random.chance(0.25) {
        lines.push(pick(random, COMPANIES).to_string());
    }
    lines.push(format!("{} {}", pick(random, country.first), pick(random, country.last)));
    let number = match random.below(4) {
        0 => 1 + random.below(9),
        1 => 100 + random.below(900),
        2 => 1000 + random.below(9000),
        _ => 10 + random.below(90),
    };
    lines.push(pick(random, country.streets).replace('#', &number.to_string()));
    let code = fill(pick(random, country.codes), random);
    let capitals = random.chance(0.2);
    let city = pick(random, country.cities);
    let city = if capitals { city.to_uppercase() } else { city.to_string() };
    let marked = country.last_line.replace('@', "\u{1}").replace('*', "\u{2}");
    let line = fill(&marked, random).replace('\u{1}', &code).replace('\u{2}', &city);
    lines.push(line);
    let code_line = lines.len() - 1;
    if random.chance(0.25) {
        lines.push(country.name.to_string());
    }
    Address { lines, code, code_line }
}

/// A name.
pub(crate) fn name(random: &mut Random) -> String {
    let country = &COUNTRIES[random.below(COUNTRIES.len())];
    format!("{} {}", pick(random, country.first), pick(random, country.last))
}
