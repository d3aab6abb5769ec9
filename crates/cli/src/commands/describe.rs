//! `completions` and `man`: the command line, described for a shell and for `man`.

use anyhow::Result;
use clap::Command;

use crate::flags::CompletionsFlags;
use crate::print::print_data;

pub(crate) fn completions(flags: &CompletionsFlags, mut program: Command) -> Result<()> {
    let mut script = Vec::new();
    let name = program.get_name().to_string();
    clap_complete::generate(flags.shell, &mut program, name, &mut script);
    print_data(&String::from_utf8(script)?)
}

pub(crate) fn manual(program: &Command) -> Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(program.clone()).render(&mut page)?;
    for command in program.get_subcommands() {
        let name = format!("{} {}", program.get_name(), command.get_name());
        let mut arguments = Vec::new();
        clap_mangen::Man::new(command.clone()).render_options_section(&mut arguments)?;
        page.extend(format!(".SH \"{}\"\n", name.to_uppercase()).into_bytes());
        page.extend(format!("{}\n", command.get_about().cloned().unwrap_or_default()).into_bytes());
        let arguments = String::from_utf8(arguments)?;
        page.extend(
            arguments
                .lines()
                .skip_while(|line| line.starts_with(".SH"))
                .flat_map(|line| [line.as_bytes(), b"\n"].concat()),
        );
    }
    print_data(&String::from_utf8(page)?)
}
