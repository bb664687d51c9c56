//! Settings that are one thing on a system: the wait in FIN_WAIT_2 where it is keepalive's probes times their interval.

use tune_model::legacy::{Amount, Assignment, Part, Product, Row, Unit, Way};
use tune_model::plan::RefusalKind;
use tune_model::{Effective, Kind, Limits, Quantity, Setting, Storable, Verdict};

use super::single::{as_shipped, range};
use super::wishes::Wish;
use super::{Draft, Means, On, Why};

/// How many probes are thought of where nothing says how many it may be.
const SANE_PROBES: (u32, u32) = (3, 20);

/// A number of probes, and the time between them in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    probes: u32,
    interval: i128,
}

impl Pair {
    /// Returns how long it lasts: from probes times interval, to one interval more where it is looked at again.
    fn lasts(self, product: Product) -> (i128, i128) {
        let least = self.interval * i128::from(self.probes);
        (least, if product.again { least + self.interval } else { least })
    }

    pub fn effective(self, product: Product) -> Effective {
        let quantity = |ms: i128| Quantity::Duration(u64::try_from(ms).unwrap_or(u64::MAX));
        match self.lasts(product) {
            (low, high) if low == high => Effective::Exact(quantity(low)),
            (low, high) => Effective::Between { low: quantity(low), high: quantity(high) },
        }
    }
}

/// What bounds the pair.
#[derive(Clone)]
struct Bounds<'w> {
    wishes: Vec<(&'w Wish, Limits)>,
    products: Vec<(Setting, Product)>,
    storable: Storable,
    /// The pair as it is shipped, as far as that is known.
    shipped: Pair,
}

impl On<'_> {
    /// Returns the pair as it is once these numbers are set.
    pub(super) fn pair_of(&self, assignments: &[Assignment], product: Product) -> Pair {
        let set = |setting| assignments.iter().find(|set| set.row.setting == setting);
        let interval = match set(Setting::KeepaliveInterval) {
            Some(set) => set.amounts_to.exact().and_then(Quantity::scalar),
            None => self.row(Setting::KeepaliveInterval).and_then(|row| row.default_amount()?.scalar()),
        };
        let probes = match set(Setting::KeepaliveProbes) {
            Some(set) => Some(set.value),
            None => self.row(Setting::KeepaliveProbes).and_then(|row| row.default),
        };
        let probes = product.probes.or(probes.and_then(|probes| u32::try_from(probes).ok()));
        Pair { probes: probes.unwrap_or(8), interval: interval.unwrap_or(75_000) }
    }

    /// Translates the requirements on what follows from keepalive and on keepalive itself, together.
    pub(super) fn joint(&self, wishes: &[&Wish], draft: &mut Draft) {
        let mut limited = Vec::new();
        for wish in wishes {
            match wish.limits(self.asked.ram) {
                Ok(Some(limits)) => limited.push((*wish, limits)),
                Ok(None) => {}
                Err(refusal) => draft.refusals.push(refusal),
            }
        }
        let interval = self.row(Setting::KeepaliveInterval);
        let probes = self.row(Setting::KeepaliveProbes);
        let bounds = self.bounds(limited, interval, probes);
        if let Some((wish, _)) = bounds.wishes.iter().find(|(wish, limits)| self.is_never(wish, limits)) {
            let message = format!("{}: a product of 0 means never on {}", wish.setting, self.release.title);
            return draft.refuse(RefusalKind::Unsafe, wish.setting, message, &["ask for a length of time"]);
        }
        let choices = self.choices(&bounds, probes);
        let Some(pair) = choices.iter().find_map(|probes| bounds.pair(*probes)) else {
            return self.impossible(&bounds, draft);
        };
        let derived: Vec<_> = wishes.iter().filter(|wish| self.product(wish.setting).is_some()).collect();
        match interval.ok_or_else(|| self.nothing()).and_then(|row| Ok((row, self.means(row)?))) {
            Err(why) => {
                for wish in &derived {
                    draft.leave_out(wish.setting, self.unwritable(wish, pair, &why));
                }
                let parts = wishes.iter().filter(|wish| self.product(wish.setting).is_none());
                parts.for_each(|wish| self.single(wish, draft));
            }
            Ok((row, means)) => self.write(&bounds, pair, (row, &means), probes, draft),
        }
    }

    fn bounds<'w>(
        &self,
        wishes: Vec<(&'w Wish, Limits)>,
        interval: Option<&'static Row>,
        probes: Option<&'static Row>,
    ) -> Bounds<'w> {
        let of = |wish: &Wish| Some((wish.setting, self.product(wish.setting)?));
        let products: Vec<_> = wishes.iter().filter_map(|(wish, _)| of(wish)).collect();
        let unit = interval.and_then(|row| row.unit).unwrap_or(Unit::S);
        let storable = unit.storable(Kind::Duration, interval.map_or((1, i128::from(i32::MAX)), range));
        let fixed = products.iter().find_map(|(_, product)| product.probes);
        let shipped = probes.and_then(|row| u32::try_from(row.default?).ok());
        let ms = interval.and_then(|row| row.default_amount()?.scalar());
        Bounds {
            wishes,
            products,
            storable: storable.unwrap_or_else(|| Storable::every(1000, 1000, i128::from(i32::MAX))),
            shipped: Pair { probes: fixed.or(shipped).unwrap_or(8), interval: ms.unwrap_or(75_000) },
        }
    }

    fn is_never(&self, wish: &Wish, limits: &Limits) -> bool {
        self.product(wish.setting).is_some() && limits.at_most == Some(Quantity::Duration(0))
    }

    /// Returns the number of probes where it is a constant of the system.
    fn fixed_probes(&self, bounds: &Bounds<'_>) -> Option<u32> {
        let fixed = self.row(Setting::KeepaliveProbes).filter(|row| row.way == Way::Fixed);
        let constant = fixed.and_then(|row| u32::try_from(row.default?).ok());
        bounds.products.iter().find_map(|(_, product)| product.probes).or(constant)
    }

    /// Returns the numbers of probes that may be, those nearest to what is shipped first.
    fn choices(&self, bounds: &Bounds<'_>, row: Option<&'static Row>) -> Vec<u32> {
        let settable = row.is_some_and(|row| row.way == Way::Tunable && self.means(row).is_ok());
        let told = row.is_some_and(|row| row.way == Way::Unknown);
        let shipped = (!settable && !told).then_some(bounds.shipped.probes);
        if let Some(only) = self.fixed_probes(bounds).or(shipped) {
            return vec![only];
        }
        let limits = bounds.of(Setting::KeepaliveProbes).cloned().unwrap_or_default();
        let count = |bound: &Option<Quantity>, usual| {
            let scalar = bound.as_ref().and_then(Quantity::scalar);
            scalar.and_then(|count| u32::try_from(count).ok()).unwrap_or(usual)
        };
        let least = count(&limits.at_least, SANE_PROBES.0).max(1);
        let most = count(&limits.at_most, SANE_PROBES.1.max(least)).min(1000);
        let mut all: Vec<_> = (least..=most).collect();
        all.sort_by_key(|probes| (probes.abs_diff(bounds.shipped.probes), *probes));
        all
    }

    fn write(
        &self,
        bounds: &Bounds<'_>,
        pair: Pair,
        (row, means): (&'static Row, &Means),
        probes: Option<&'static Row>,
        draft: &mut Draft,
    ) {
        let derived: Vec<Setting> = bounds.products.iter().map(|(setting, _)| *setting).collect();
        let factor = row.unit.and_then(|unit| unit.factor(Kind::Duration)).unwrap_or(1);
        let interval = (row, means, pair.interval / factor);
        let settable = probes.filter(|row| row.way == Way::Tunable);
        let probes_means = settable.and_then(|row| Some((row, self.means(row).ok()?)));
        let number = probes_means.as_ref().map(|(row, means)| (*row, means, i128::from(pair.probes)));
        for (row, means, value) in [Some(interval), number].into_iter().flatten() {
            let shipped = row.default == Some(value) && !row.general.contains(&Part::Default);
            if shipped {
                let limits = bounds.of(row.setting).cloned().unwrap_or_default();
                draft.out.shipped.push(as_shipped(row.setting, limits, row));
                continue;
            }
            let mut set = self.assignment(row, means, value, None);
            set.serves = derived.clone();
            set.serves.extend(bounds.of(row.setting).map(|_| row.setting));
            draft.out.assignments.push(set);
        }
        if let Some((wish, _)) =
            bounds.wishes.iter().find(|(wish, _)| wish.setting == Setting::KeepaliveProbes)
            && probes_means.is_none()
        {
            self.single(wish, draft);
        }
        for (setting, product) in &bounds.products {
            let wanted = bounds.of(*setting).cloned().unwrap_or_default();
            let again = if product.again { ", and one interval more at the most" } else { "" };
            let interval = Quantity::Duration(u64::try_from(pair.interval).unwrap_or(u64::MAX));
            let by = format!("{} x {interval}{again}", pair.probes);
            let effective = pair.effective(*product);
            draft.out.reached.push(Amount { setting: *setting, wanted, effective, by });
        }
    }

    fn nothing(&self) -> Why {
        let reason = format!("nothing is known of its parts on {}", self.release.title);
        Why { reason, stands_in: None, unverified: false }
    }

    /// Says why nothing is written although there are numbers that would do, and which those are.
    fn unwritable(&self, wish: &Wish, pair: Pair, why: &Why) -> Why {
        let row = self.row(wish.setting);
        let reason = row.and_then(|row| row.withheld.clone()).unwrap_or_else(|| why.reason.clone());
        let product = self.product(wish.setting).unwrap_or(Product { probes: None, again: false });
        let interval = Quantity::Duration(u64::try_from(pair.interval).unwrap_or(u64::MAX));
        let (probes, whole) = (pair.probes, pair.effective(product));
        Why {
            reason: format!("{reason}. The timeout is their product: {whole} = {probes} x {interval}"),
            stands_in: row.and_then(|row| row.bounded_by.clone()),
            unverified: why.unverified,
        }
    }

    fn impossible(&self, bounds: &Bounds<'_>, draft: &mut Draft) {
        let Some((first, _)) = bounds.wishes.first() else { return };
        let bound = self.row(first.setting).and_then(|row| row.bounded_by.as_deref()).unwrap_or_default();
        let fixed = self.fixed_probes(bounds).is_some();
        let counts = |wish: &&Wish| !(fixed && wish.setting == Setting::KeepaliveProbes);
        let all = bounds.wishes.iter().filter(|(wish, _)| counts(wish));
        let all: Vec<_> = all.map(|(wish, limits)| (wish.setting, limits)).collect();
        let near = bounds.neighbours(&self.choices(bounds, self.row(Setting::KeepaliveProbes)));
        let title = &self.release.title;
        let message = match &all[..] {
            [(_, only)] => format!("{only} cannot be had on {title}, where the wait is {bound}{near}"),
            several => {
                let several: Vec<_> =
                    several.iter().map(|(setting, limits)| format!("{setting} {limits}")).collect();
                let several = several.join(", ");
                format!("nothing on {title} satisfies all of this at once, as the wait is {bound}: {several}")
            }
        };
        let helps = |setting: &Setting| {
            let without = bounds.without(*setting);
            let choices = self.choices(&without, self.row(Setting::KeepaliveProbes));
            choices.iter().any(|probes| without.pair(*probes).is_some())
        };
        let settings = bounds.wishes.iter().map(|(wish, _)| wish.setting).filter(helps);
        let mut hints: Vec<_> =
            settings.map(|setting| format!("leave one out: --except {setting}")).collect();
        if bounds.products.iter().any(|(setting, product)| product.again && bounds.is_exact(*setting)) {
            hints.push("ask for a bound, at_most: the wait is no exact time there".to_owned());
        }
        let hints: Vec<_> = hints.iter().map(String::as_str).collect();
        draft.refuse(RefusalKind::Contradiction, first.setting, message, &hints);
    }
}

impl Bounds<'_> {
    /// Returns the same without what is required of a setting.
    fn without(&self, setting: Setting) -> Self {
        let mut rest = self.clone();
        rest.wishes.retain(|(wish, _)| wish.setting != setting);
        rest
    }

    fn is_exact(&self, setting: Setting) -> bool {
        self.of(setting).is_some_and(|limits| limits.exact().is_some())
    }

    fn of(&self, setting: Setting) -> Option<&Limits> {
        self.wishes.iter().find(|(wish, _)| wish.setting == setting).map(|(_, limits)| limits)
    }

    /// Returns the interval for a number of probes that satisfies everything, nearest to what is preferred or shipped.
    fn pair(&self, probes: u32) -> Option<Pair> {
        let (low, high) = self.window(probes)?;
        let prefer = self.of(Setting::KeepaliveInterval).and_then(|limits| limits.prefer.as_ref()?.scalar());
        let interval = self.storable.nearest(prefer.unwrap_or(self.shipped.interval), low, high)?;
        let pair = Pair { probes, interval };
        let met = self.products.iter().all(|(setting, product)| {
            self.of(*setting).is_none_or(|limits| limits.judge(&pair.effective(*product)) == Verdict::Met)
        });
        met.then_some(pair)
    }

    /// Returns the bounds on the interval for a number of probes; `None` where they exclude each other.
    fn window(&self, probes: u32) -> Option<(Option<i128>, Option<i128>)> {
        let scalar = |bound: &Option<Quantity>| bound.as_ref().and_then(Quantity::scalar);
        let (mut low, mut high): (Option<i128>, Option<i128>) = (None, None);
        let mut narrow = |least: Option<i128>, most: Option<i128>| {
            low = low.max(least);
            high = [high, most].into_iter().flatten().min();
        };
        if let Some(limits) = self.of(Setting::KeepaliveInterval) {
            narrow(scalar(&limits.at_least), scalar(&limits.at_most));
        }
        let probes = i128::from(probes);
        for (setting, product) in &self.products {
            let Some(limits) = self.of(*setting) else { continue };
            let most = probes + i128::from(product.again);
            let least = scalar(&limits.at_least).map(|least| (least + probes - 1) / probes);
            narrow(least, scalar(&limits.at_most).map(|high| high / most));
        }
        let fits = low.zip(high).is_none_or(|(low, high)| low <= high);
        fits.then_some((low, high))
    }

    /// Names what could be had in place of one exact product.
    fn neighbours(&self, choices: &[u32]) -> String {
        let [(setting, product)] = &self.products[..] else { return String::new() };
        let Some(exact) = self.of(*setting).and_then(Limits::exact).and_then(Quantity::scalar) else {
            return String::new();
        };
        let near = |below: bool| {
            let pair = |probes: &u32| {
                let ideal = exact / i128::from(*probes);
                let interval =
                    if below { self.storable.floor(ideal) } else { self.storable.ceil(ideal + 1) }?;
                Some(Pair { probes: *probes, interval })
            };
            choices.iter().filter_map(pair).min_by_key(|pair| (pair.lasts(*product).0 - exact).abs())
        };
        let shown = |pair: Pair| {
            let interval = Quantity::Duration(u64::try_from(pair.interval).unwrap_or(u64::MAX));
            format!("{} = {} x {interval}", pair.effective(*product), pair.probes)
        };
        let found: Vec<_> = [near(true), near(false)].into_iter().flatten().map(shown).collect();
        if found.is_empty() { String::new() } else { format!("; the nearest are {}", found.join(" and ")) }
    }
}
