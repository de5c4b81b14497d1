//! A copy of the wasm that ships which counts what it does: how many instructions each function has
//! carried out, and how often it was called. The counters are globals, exported as `instructions N NAME`,
//! `calls N NAME` and, of the allocator, `bytes N NAME`; `bench/counting.js` reads them.

use std::fs;

use anyhow::{Result, bail};
use walrus::ir::{
    BinaryOp, Binop, Const, GlobalGet, GlobalSet, Instr, InstrLocId, InstrSeqId, LocalGet, UnaryOp,
    Unop, Value,
};
use walrus::{ConstExpr, GlobalId, LocalFunction, LocalId, Module, ModuleConfig, ValType};

use crate::build::{TOKENS, named};
use crate::run::{root, write};
use crate::setup::step;

/// What every allocation of Rust's goes through; its last parameter is the number of bytes.
const ALLOCATOR: &str = ">>::malloc";

/// Writes the token service's counting copy to `target/counts`; the wasm that ships has been built.
pub(crate) fn prepare() -> Result<()> {
    step("making the counting copy of the wasm");
    let mut config = ModuleConfig::new();
    config.generate_producers_section(false);
    let mut module = config.parse(&fs::read(named(&TOKENS))?)?;
    let mut counters = Vec::new();
    let functions: Vec<_> = module.funcs.iter_local().map(|(id, _)| id).collect();
    let mut allocates = false;
    for (number, id) in functions.into_iter().enumerate() {
        let name = module.funcs.get(id).name.clone().unwrap_or_default();
        let mut counter = |module: &mut Module, what: &str| {
            let zero = ConstExpr::Value(Value::I64(0));
            let global = module.globals.add_local(ValType::I64, true, false, zero);
            counters.push((format!("{what} {number} {name}"), global));
            global
        };
        let instructions = counter(&mut module, "instructions");
        let calls = counter(&mut module, "calls");
        let bytes = name
            .ends_with(ALLOCATOR)
            .then(|| counter(&mut module, "bytes"));
        let function = module.funcs.get_mut(id).kind.unwrap_local_mut();
        count_instructions(function, instructions);
        let mut entry = add(calls, constant(1));
        if let Some(bytes) = bytes {
            let Some(size) = function.args.last() else {
                bail!("{name} takes no size");
            };
            entry.extend(add_local(bytes, *size));
            allocates = true;
        }
        insert(function, function.entry_block(), 0, entry);
    }
    if !allocates {
        bail!("no function of the wasm is called `{ALLOCATOR}`: is the allocator another one?");
    }
    for (name, global) in counters {
        module.exports.add(&name, global);
    }
    write(
        &root().join("target/counts/edgemint.wasm"),
        module.emit_wasm(),
    )
}

/// Counts the instructions of every run of them that is only ever carried out as a whole, where it
/// begins. The marks of blocks are none.
fn count_instructions(function: &mut LocalFunction, counter: GlobalId) {
    let mut sequences = vec![function.entry_block()];
    while let Some(sequence) = sequences.pop() {
        let mut runs = Vec::new();
        let (mut begin, mut length) = (0, 0);
        for (at, (instruction, _)) in function.block(sequence).instrs.iter().enumerate() {
            let inner = nested(instruction);
            if !matches!(instruction, Instr::Block(_) | Instr::Loop(_)) {
                length += 1;
            }
            if !inner.is_empty() || branches(instruction) {
                runs.push((begin, length));
                (begin, length) = (at + 1, 0);
            }
            sequences.extend(inner);
        }
        runs.push((begin, length));
        // From the last one on, so that the places of the others stay what they are.
        for (begin, length) in runs.into_iter().rev().filter(|(_, length)| *length > 0) {
            let counting = add(counter, constant(length));
            insert(function, sequence, begin, counting);
        }
    }
}

/// The sequences within an instruction.
fn nested(instruction: &Instr) -> Vec<InstrSeqId> {
    match instruction {
        Instr::Block(block) => vec![block.seq],
        Instr::Loop(repeated) => vec![repeated.seq],
        Instr::IfElse(choice) => vec![choice.consequent, choice.alternative],
        _ => Vec::new(),
    }
}

/// Whether it may be that what comes after an instruction is not carried out. Of what may go elsewhere,
/// the wasm that ships has nothing else (`build::FEATURES`). A trap is the end of everything.
fn branches(instruction: &Instr) -> bool {
    matches!(
        instruction,
        Instr::Br(_)
            | Instr::BrIf(_)
            | Instr::BrTable(_)
            | Instr::Return(_)
            | Instr::Unreachable(_)
    )
}

fn constant(value: i64) -> Instr {
    Const {
        value: Value::I64(value),
    }
    .into()
}

/// Adds what an instruction puts on the stack to a counter.
fn add(counter: GlobalId, amount: Instr) -> Vec<Instr> {
    vec![
        GlobalGet { global: counter }.into(),
        amount,
        Binop {
            op: BinaryOp::I64Add,
        }
        .into(),
        GlobalSet { global: counter }.into(),
    ]
}

/// The same for a 32-bit local.
fn add_local(counter: GlobalId, local: LocalId) -> Vec<Instr> {
    let mut adding = add(counter, LocalGet { local }.into());
    let widen = Unop {
        op: UnaryOp::I64ExtendUI32,
    };
    adding.insert(2, widen.into());
    adding
}

fn insert(function: &mut LocalFunction, sequence: InstrSeqId, at: usize, new: Vec<Instr>) {
    let new = new
        .into_iter()
        .map(|instruction| (instruction, InstrLocId::default()));
    function.block_mut(sequence).instrs.splice(at..at, new);
}
