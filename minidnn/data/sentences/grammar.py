"""The grammar of the sentences: ``python -m minidnn.data.sentences.grammar`` writes them.

Eight topics, each with words of its own; a few words belong to two (a pitch is played on, and sung). Persons,
adjectives, adverbs and times of the common ones may stand in any sentence. Within a list the first words are the
frequent ones: the k-th is drawn with weight 1 / (k + 2).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import accumulate

from minidnn.random import Generator

TOPICS = {
    "kitchen": {
        "person": "cook baker chef waiter butcher dishwasher caterer pastry-cook taster scullion",
        "thing": "bread soup knife pan onion butter oven kettle flour egg cake spoon plate pepper dough stew garlic "
        "sauce cheese apron ladle whisk saucepan vinegar honey parsley cinnamon tart colander yeast chips "
        "batter",
        "did": "baked stirred tasted fried boiled peeled sliced salted kneaded served roasted whipped simmered "
        "grated chopped poured glazed marinated",
        "place": "in_the_kitchen on_the_stove at_the_counter in_the_pantry over_the_fire at_the_sink in_the_larder",
        "kind": "hot fresh salty sweet burnt crisp spicy creamy stale buttered ripe sour",
    },
    "sea": {
        "person": "sailor captain fisherman pilot diver skipper boatswain helmsman lighthouse-keeper stowaway",
        "thing": "boat sail net anchor wave ship mast rope tide deck harbour oar crew buoy reef hull rudder compass "
        "keel cargo gull herring lobster lifeboat barge bass fog knot plank galley",
        "did": "sailed rowed moored hauled steered anchored navigated sighted drifted launched fished ferried bailed "
        "rigged charted dredged",
        "place": "at_sea in_the_harbour on_the_deck along_the_coast off_the_island below_deck near_the_reef",
        "kind": "salty stormy deep wet windy seaworthy tidal calm foggy coastal rusty drifting",
    },
    "music": {
        "person": "singer violinist pianist drummer composer conductor flautist organist tenor cellist",
        "thing": "song violin piano drum melody choir concert tune flute guitar note rhythm opera bow orchestra cello "
        "trumpet chord sonata duet string key bass waltz aria score harp overture pitch metronome",
        "did": "sang played rehearsed composed hummed tuned conducted performed strummed improvised recorded "
        "whistled harmonized transposed bowed encored",
        "place": "on_the_stage in_the_concert_hall at_the_opera in_the_studio at_the_rehearsal in_the_chapel",
        "kind": "loud slow gentle tuneful solemn rhythmic melodic sharp flat lyrical choral plaintive",
    },
    "garden": {
        "person": "gardener florist beekeeper botanist farmhand nurseryman landscaper forester arborist pruner",
        "thing": "rose tree seed flower soil spade hedge lawn leaf rake root shrub pond tulip compost beetle ivy fern "
        "trowel blossom bulb weed wheelbarrow sapling moss bark watering-can lilac row onion parsley",
        "did": "planted watered pruned dug weeded mowed raked sowed trimmed picked grafted mulched transplanted "
        "fertilized harvested uprooted",
        "place": "in_the_garden under_the_tree by_the_pond in_the_greenhouse along_the_hedge in_the_orchard",
        "kind": "green fragrant shady leafy thorny blooming ripe wild muddy sunny withered mossy",
    },
    "sport": {
        "person": "player goalkeeper coach runner referee striker swimmer boxer sprinter cyclist",
        "thing": "ball goal match race team racket pitch bat medal net penalty score stadium whistle trophy league "
        "jersey tackle relay hurdle serve court helmet champion marathon track lap podium javelin row",
        "did": "kicked scored won lost threw raced tackled trained dribbled caught sprinted served defended volleyed "
        "jumped headed overtook",
        "place": "on_the_pitch in_the_stadium on_the_track at_the_finish in_the_gym on_the_bench",
        "kind": "fast fit sweaty athletic muscular unbeaten tired winning offside swift muddy competitive",
    },
    "hospital": {
        "person": "doctor nurse patient surgeon midwife paramedic dentist pharmacist radiologist physiotherapist",
        "thing": "fever pill wound bandage ward vaccine bed operation cough stretcher syringe ambulance x-ray heart "
        "lung plaster thermometer clinic pulse allergy dose fracture infection scar crutch stethoscope "
        "ointment tooth drip scalpel",
        "did": "treated examined healed bandaged injected diagnosed operated nursed cured prescribed vaccinated "
        "disinfected stitched resuscitated x-rayed",
        "place": "in_the_ward at_the_clinic in_the_ambulance at_the_bedside in_the_waiting_room in_the_pharmacy",
        "kind": "sick feverish healthy painful swollen pale weak sterile infected chronic tired bruised",
    },
    "court": {
        "person": "judge lawyer witness thief prosecutor clerk juror bailiff defendant solicitor",
        "thing": "trial law verdict evidence crime sentence jury prison oath contract fine appeal alibi testimony bail "
        "robbery statute warrant gavel motive lawsuit court bench confession fraud handcuffs plea charge will",
        "did": "accused sentenced convicted testified acquitted sued confessed pleaded appealed arrested questioned "
        "swore summoned overruled prosecuted charged",
        "place": "in_the_courtroom before_the_judge on_the_witness_stand in_the_cell behind_bars at_the_hearing",
        "kind": "guilty innocent legal unlawful fair stolen solemn sworn criminal false civil unjust",
    },
    "workshop": {
        "person": "carpenter mechanic plumber blacksmith electrician welder joiner mason apprentice locksmith",
        "thing": "hammer nail saw screw engine plank wheel pipe wire drill bolt wrench bench file chisel hinge lathe "
        "anvil key valve motor ladder glue rivet sandpaper pulley gasket toolbox clamp battery fuse string",
        "did": "repaired hammered drilled welded sawed fixed tightened soldered assembled sanded forged polished "
        "unscrewed bolted dismantled oiled",
        "place": "in_the_workshop at_the_workbench under_the_car in_the_garage on_the_scaffold at_the_forge",
        "kind": "rusty heavy wooden sharp greasy broken loose oily electric dusty flat sturdy",
    },
}
COMMON = {
    "person": "man woman neighbour girl boy friend stranger uncle sister visitor",
    "kind": "old new small good long strange large young little famous",
    "how": "slowly carefully again quickly twice alone at_last badly quietly together",
    "time": "yesterday in_the_morning at_night on_monday last_week before_noon after_lunch in_winter today at_dawn",
}
COMMONNESS = 0.3
"""How often a person or an adjective is one of the common ones."""

RULES = {
    "sentence": ["clause", "clause", "clause", "time clause", "clause and clause", "clause but clause"],
    "clause": [
        "subject act",
        "subject act place",
        "subject act how",
        "the kind thing was kind",
        "thing-phrase was place",
    ],
    "act": ["did thing-phrase", "did thing-phrase", "did things", "did thing-phrase with thing-phrase", "did"],
    "subject": ["the person", "the kind person", "a person", "the person and the person", "the person who did things"],
    "thing-phrase": ["the thing", "a thing", "the kind thing", "a kind thing", "the thing of the person"],
    "things": ["the thing and the thing", "a thing , a thing and thing-phrase", "thing-phrase and no thing"],
}
"""What may stand for what; all choices of a rule are equally likely."""


def write(count: int, rng: Generator) -> list[tuple[str, str]]:
    """This many (topic, sentence) pairs, the topics in turn."""
    topics = [list(TOPICS)[i % len(TOPICS)] for i in range(count)]
    return [(topic, _sentence(topic, iter(rng.uniform(256).tolist()))) for topic in topics]


def _sentence(topic: str, numbers: Iterator[float]) -> str:
    """A sentence, by numbers in [0, 1)."""
    sentence = " ".join(_expand("sentence", topic, numbers)).replace("_", " ").replace(" ,", ",")
    return re.sub(r"\ba (?=[aeiou])", "an ", sentence).capitalize() + "."


def _expand(part: str, topic: str, numbers: Iterator[float]) -> list[str]:
    """The words of a part of a sentence."""
    if part in RULES:
        choice = RULES[part][int(next(numbers) * len(RULES[part]))]
        return [word for inner in choice.split() for word in _expand(inner, topic, numbers)]
    own, common = TOPICS[topic].get(part, ""), COMMON.get(part, "")
    if not own + common:
        return [part]
    chosen = common if common and (not own or next(numbers) < COMMONNESS) else own
    return [_choose(chosen.split(), next(numbers))]


def _choose(words: list[str], number: float) -> str:
    """The word in whose share of the weights the number falls."""
    totals = list(accumulate(1 / (k + 2) for k in range(len(words))))
    return next(word for word, total in zip(words, totals, strict=True) if number * totals[-1] < total)


if __name__ == "__main__":
    sys.stdout.writelines(f"{topic}\t{sentence}\n" for topic, sentence in write(8000, Generator(1959)))
