//! Which registers a point has, and in which slots of its block.
//!
//! Promise: points with the same registers, learned in the same order, share
//! what is held of them. Of others a point's channel adds at most one step of
//! 12 bytes and what finds it.

use std::collections::HashMap;

use super::Register;

/// The registers of a point, by the last one learned; the first of all stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Layout(pub u32);

impl Layout {
    /// Of a point without channels.
    pub(super) const NONE: Layout = Layout(0);
}

/// See the module.
#[derive(Default)]
pub(super) struct Layouts {
    /// Beginning with that of layout 1.
    steps: Vec<Step>,
    next: HashMap<(Layout, Register, u8), Layout>,
    /// What was found lately, by the register's number: meters alike ask for the same again and again.
    found: [(Layout, Register, u8); FOUND_KEPT],
}

/// More than a meter has registers, as a rule.
const FOUND_KEPT: usize = 32;

/// One register more than the layout before.
struct Step {
    before: Layout,
    register: Register,
    slot: u8,
    /// Slots up to the last that is taken.
    used: u8,
}

const _: () = assert!(size_of::<Step>() <= 16);

impl Layouts {
    /// The slot of a register. A meter's registers are few and lie together in memory:
    /// they are looked at one after the other.
    pub(super) fn slot(&mut self, of: Layout, register: Register) -> Option<u8> {
        let kept = register.0 as usize % FOUND_KEPT;
        let (layout, there, slot) = self.found[kept];
        // No layout of a point with channels is the one of no register, which the empty places are of.
        if (layout, there) == (of, register) && of != Layout::NONE {
            return Some(slot);
        }
        let mut layout = of;
        while let Some(step) = self.step(layout) {
            if step.register == register {
                let slot = step.slot;
                self.found[kept] = (of, register, slot);
                return Some(slot);
            }
            layout = step.before;
        }
        None
    }

    /// Slots up to the last that is taken.
    pub(super) fn used(&self, of: Layout) -> u8 {
        self.step(of).map_or(0, |step| step.used)
    }

    /// The layout with one register more.
    pub(super) fn with(&mut self, before: Layout, register: Register, slot: u8) -> Layout {
        let used = self.used(before).max(slot + 1);
        let steps = &mut self.steps;
        *self.next.entry((before, register, slot)).or_insert_with(|| {
            steps.push(Step { before, register, slot, used });
            Layout(u32::try_from(steps.len()).expect("fewer channels than 2^32"))
        })
    }

    /// How many there are, that of no register apart.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    fn step(&self, layout: Layout) -> Option<&Step> {
        self.steps.get((layout.0 as usize).checked_sub(1)?)
    }
}
