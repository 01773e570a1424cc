"""Every operator against every type of fact: whether it matches, and the sentence that says why."""

from __future__ import annotations

import pytest

from coordination.requirements import CapabilityFacts, Facts, parse

AGENT = Facts(
    capabilities={
        "tool": CapabilityFacts(
            version="1.2.3",
            attributes={
                "size": 16,
                "share": 0.5,
                "on": True,
                "off": False,
                "name": "eu",
                "driver": "12.4",
                "release": "2.0.0-rc.1",
                "calendar": "2024.1.post3",
                "digits": "24",
                "huge": 10**100,
                "long": "x" * 200,
            },
        ),
        "early": CapabilityFacts(version="2.0.0-rc.1"),
        "odd": CapabilityFacts(version="latest"),
    },
    labels={"region": "eu", "rack": "7", "spot": "true"},
    max_tasks=4,
)
NUMBER, FLAG, TEXT = "the number 16", "the flag true", 'the text "eu"'
CASES: list[tuple[str, bool, str]] = [
    # A capability compares by its version.
    ("tool=1.2.3", True, "tool is 1.2.3"),
    ("tool=1.2", True, "tool is 1.2.3"),
    ("tool=1", True, "tool is 1.2.3"),
    ('tool="1.2.3+build"', True, "tool is 1.2.3"),
    ("tool=1.3", False, "tool is 1.2.3, needs = 1.3"),
    ("tool!=1.3", True, "tool is 1.2.3"),
    ("tool!=1.2", False, "tool is 1.2.3, needs != 1.2"),
    ("tool<1.2", False, "tool is 1.2.3, needs < 1.2"),
    ("tool<1.10", True, "tool is 1.2.3"),
    ("tool<=1.2", True, "tool is 1.2.3"),
    ("tool>1.2", False, "tool is 1.2.3, needs > 1.2"),
    ("tool>1.2.2", True, "tool is 1.2.3"),
    ("tool>=1.2.3", True, "tool is 1.2.3"),
    ("tool>=1.2.3-rc.1", True, "tool is 1.2.3"),
    ("tool in [0.9, 1.2.x, 1.2.3]", True, "tool is 1.2.3"),
    ("tool in [2, eu]", False, "tool is 1.2.3, needs in [2, eu]"),
    ("tool not in [2, 3.1.4]", True, "tool is 1.2.3"),
    ("tool not in [2, 1]", False, "tool is 1.2.3, needs not in [2, 1]"),
    ("tool^1.1", True, "tool is 1.2.3"),
    ("tool^2", False, "tool is 1.2.3, needs ^ 2"),
    ("tool~1.2", True, "tool is 1.2.3"),
    ("tool~1.1", False, "tool is 1.2.3, needs ~ 1.1"),
    ('tool semver "<1 || 1.2.x"', True, "tool is 1.2.3"),
    ('tool semver "<1 || 2.x"', False, 'tool is 1.2.3, needs semver "<1 || 2.x"'),
    ("tool~=1.1", True, "tool is 1.2.3"),
    ("tool~=1.1.0", False, "tool is 1.2.3, needs ~= 1.1.0"),
    ('tool pep440 ">=1,!=1.2.4"', True, "tool is 1.2.3"),
    ('tool pep440 "!=1.2.3"', False, 'tool is 1.2.3, needs pep440 "!=1.2.3"'),
    ("tool=eu", False, "tool is the capability of version 1.2.3, which cannot be compared; needs = eu"),
    ("tool!=eu", False, "tool is the capability of version 1.2.3, which cannot be compared; needs != eu"),
    ("tool>1e3", False, "tool is the capability of version 1.2.3, which cannot be compared; needs > 1e3"),
    (
        "tool not in [2, eu]",
        False,
        "tool is the capability of version 1.2.3, which cannot be compared; needs not in [2, eu]",
    ),
    ("tool=true", False, "tool is the capability of version 1.2.3, which cannot be compared; needs = true"),
    # Prereleases are taken only by terms that name one.
    ("early>=1", False, "early is 2.0.0-rc.1, needs >= 1 and no prerelease"),
    ("early<3", False, "early is 2.0.0-rc.1, needs < 3 and no prerelease"),
    ("early<2", False, "early is 2.0.0-rc.1, needs < 2"),
    ("early>=2.0.0-alpha", True, "early is 2.0.0-rc.1"),
    ("early<2.0.0-rc.2", True, "early is 2.0.0-rc.1"),
    ("early=2.0.0-rc.1", True, "early is 2.0.0-rc.1"),
    ("early=2", False, "early is 2.0.0-rc.1, needs = 2"),
    ("early!=2", True, "early is 2.0.0-rc.1"),
    ("early^1.9", False, "early is 2.0.0-rc.1, needs ^ 1.9"),
    ('early semver ">=1 <3"', False, 'early is 2.0.0-rc.1, needs semver ">=1 <3" and no prerelease'),
    ('early pep440 ">=1"', False, 'early is 2.0.0-rc.1, needs pep440 ">=1"'),
    ('early pep440 ">=2rc0"', True, "early is 2.0.0-rc.1"),
    # What is no version is there, but compares with nothing.
    ("odd", True, "odd is latest"),
    (
        "odd=latest",
        False,
        "odd is the capability of version latest, which cannot be compared; needs = latest",
    ),
    ("odd!=1", False, "odd is the capability of version latest, which cannot be compared; needs != 1"),
    ("odd>=1", False, "odd is the capability of version latest, which cannot be compared; needs >= 1"),
    ("odd~=1.0", False, "odd is the capability of version latest, which cannot be compared; needs ~= 1.0"),
    # Numbers compare with numbers, exactly.
    ("tool.size=16", True, "tool.size is 16"),
    ("tool.size=16.0", True, "tool.size is 16"),
    ("tool.size=1.6e1", True, "tool.size is 16"),
    ("tool.size=17", False, "tool.size is 16, needs = 17"),
    ("tool.size!=17", True, "tool.size is 16"),
    ("tool.size!=16", False, "tool.size is 16, needs != 16"),
    ("tool.size<16", False, "tool.size is 16, needs < 16"),
    ("tool.size<=16", True, "tool.size is 16"),
    ("tool.size>=24", False, "tool.size is 16, needs >= 24"),
    ("tool.size>15.5", True, "tool.size is 16"),
    ("tool.share<=0.5", True, "tool.share is 0.5"),
    ("tool.share=0.25", False, "tool.share is 0.5, needs = 0.25"),
    ("tool.size in [8, eu, 16]", True, "tool.size is 16"),
    ("tool.size in [8, true]", False, "tool.size is 16, needs in [8, true]"),
    ("tool.size not in [8, 24]", True, "tool.size is 16"),
    (
        "tool.size in [eu, true]",
        False,
        f"tool.size is {NUMBER}, which cannot be compared; needs in [eu, true]",
    ),
    (
        "tool.size not in [8, eu]",
        False,
        f"tool.size is {NUMBER}, which cannot be compared; needs not in [8, eu]",
    ),
    ("tool.size=eu", False, f"tool.size is {NUMBER}, which cannot be compared; needs = eu"),
    ('tool.size="16"', False, f'tool.size is {NUMBER}, which cannot be compared; needs = "16"'),
    ('tool.size!="24"', False, f'tool.size is {NUMBER}, which cannot be compared; needs != "24"'),
    ('tool.size>="8"', False, f'tool.size is {NUMBER}, which cannot be compared; needs >= "8"'),
    ("tool.size>=1.2.3", False, f"tool.size is {NUMBER}, which cannot be compared; needs >= 1.2.3"),
    ("tool.size=true", False, f"tool.size is {NUMBER}, which cannot be compared; needs = true"),
    ("tool.size^16", False, f"tool.size is {NUMBER}, which cannot be compared; needs ^ 16"),
    ("tool.size~16", False, f"tool.size is {NUMBER}, which cannot be compared; needs ~ 16"),
    ("tool.size semver 16", False, f'tool.size is {NUMBER}, which cannot be compared; needs semver "16"'),
    ("tool.size~=16.0", False, f"tool.size is {NUMBER}, which cannot be compared; needs ~= 16.0"),
    ('tool.size pep440 ">1"', False, f'tool.size is {NUMBER}, which cannot be compared; needs pep440 ">1"'),
    ("tool.huge>1e99", True, "tool.huge is a number of 333 bits"),
    ("tool.huge=1e100", False, "tool.huge is a number of 333 bits, needs = 1e100"),
    (f"tool.huge=1{'0' * 100}", True, "tool.huge is a number of 333 bits"),
    ("agent.max_tasks>=4", True, "agent.max_tasks is 4"),
    ("agent.max_tasks>4", False, "agent.max_tasks is 4, needs > 4"),
    # True and false are no numbers and have no order.
    ("tool.on=true", True, "tool.on is true"),
    ("tool.off=false", True, "tool.off is false"),
    ("tool.on=false", False, "tool.on is true, needs = false"),
    ("tool.on!=false", True, "tool.on is true"),
    ("tool.on in [false, true]", True, "tool.on is true"),
    ("tool.on not in [true]", False, "tool.on is true, needs not in [true]"),
    ("tool.on=1", False, f"tool.on is {FLAG}, which cannot be compared; needs = 1"),
    ('tool.on="true"', False, f'tool.on is {FLAG}, which cannot be compared; needs = "true"'),
    ("tool.on!=1", False, f"tool.on is {FLAG}, which cannot be compared; needs != 1"),
    ("tool.on>=1", False, f"tool.on is {FLAG}, which cannot be compared; needs >= 1"),
    (
        "tool.on not in [false, 0]",
        False,
        f"tool.on is {FLAG}, which cannot be compared; needs not in [false, 0]",
    ),
    ("tool.on^1", False, f"tool.on is {FLAG}, which cannot be compared; needs ^ 1"),
    ("tool.on~=1.0", False, f"tool.on is {FLAG}, which cannot be compared; needs ~= 1.0"),
    # Text is equal letter by letter, whatever it looks like.
    ("tool.name=eu", True, 'tool.name is "eu"'),
    ("tool.name=EU", False, 'tool.name is "eu", needs = EU'),
    ("tool.name!=us", True, 'tool.name is "eu"'),
    ("tool.name in [us, eu]", True, 'tool.name is "eu"'),
    ("tool.name not in [us, 1]", True, 'tool.name is "eu"'),
    ("tool.name not in [us, eu]", False, 'tool.name is "eu", needs not in [us, eu]'),
    ("tool.digits=24", True, 'tool.digits is "24"'),
    ("tool.digits=24.0", False, 'tool.digits is "24", needs = 24.0'),
    ("rack=7", True, 'rack is "7"'),
    ("rack in [6, 7]", True, 'rack is "7"'),
    ("spot=true", True, 'spot is "true"'),
    ("spot!=false", True, 'spot is "true"'),
    # Text has an order only if both sides are versions.
    ("tool.name>=1", False, f"tool.name is {TEXT}, which cannot be compared; needs >= 1"),
    ("tool.name^1", False, f"tool.name is {TEXT}, which cannot be compared; needs ^ 1"),
    ("tool.name semver 1.x", False, f'tool.name is {TEXT}, which cannot be compared; needs semver "1.x"'),
    ("tool.name~=1.0", False, f"tool.name is {TEXT}, which cannot be compared; needs ~= 1.0"),
    ("tool.driver>=12.1", True, 'tool.driver is "12.4"'),
    ("tool.driver<12", False, 'tool.driver is "12.4", needs < 12'),
    ("tool.driver>12.4", False, 'tool.driver is "12.4", needs > 12.4'),
    ("tool.driver^12.1", True, 'tool.driver is "12.4"'),
    ("tool.driver~=12.1", True, 'tool.driver is "12.4"'),
    ("tool.driver>1e3", False, 'tool.driver is the text "12.4", which cannot be compared; needs > 1e3'),
    ("tool.digits>=9", True, 'tool.digits is "24"'),
    ("tool.release>=1", False, 'tool.release is "2.0.0-rc.1", needs >= 1 and no prerelease'),
    (
        "tool.calendar>=2024.1",
        False,
        'tool.calendar is the text "2024.1.post3", which cannot be compared; needs >= 2024.1',
    ),
    ('tool.calendar pep440 ">2024.1"', False, 'tool.calendar is "2024.1.post3", needs pep440 ">2024.1"'),
    ('tool.calendar pep440 ">=2024.1"', True, 'tool.calendar is "2024.1.post3"'),
    ("tool.long=x", False, f'tool.long is "{"x" * 79}…", needs = x'),
    (f"tool.name={'y' * 200}", False, f'tool.name is "eu", needs = {"y" * 77}…'),
    # Presence asks for no value.
    ("tool", True, "tool is 1.2.3"),
    ("tool.off", True, "tool.off is false"),
    ("region", True, 'region is "eu"'),
    ("not tool", False, "tool is 1.2.3, must not exist"),
    ("not region", False, 'region is "eu", must not exist'),
    ("not tool.off", False, "tool.off is false, must not exist"),
    ("not agent.max_tasks", False, "agent.max_tasks is 4, must not exist"),
    ("not gpu", True, "has no capability or label 'gpu'"),
    ("gpu", False, "has no capability or label 'gpu'"),
    ("gpu!=1", False, "has no capability or label 'gpu'"),
    ("gpu not in [1]", False, "has no capability or label 'gpu'"),
    ("gpu.memory>=1", False, "has no capability, attribute or label 'gpu.memory'"),
    (
        "tool.colour=red",
        False,
        "has capability 'tool' without attribute 'colour', and no label 'tool.colour'",
    ),
    ("capability:tool.colour", False, "has capability 'tool' without attribute 'colour'"),
    ("capability:region", False, "has no capability 'region'"),
    ("capability:gpu.memory", False, "has no capability or attribute 'gpu.memory'"),
    ("label:tool", False, "has no label 'tool'"),
    # A name that says where to look is looked up there, and then compared.
    ("label:region=eu", True, 'region is "eu"'),
    ("label:region=us", False, 'region is "eu", needs = us'),
    ("label:tool!=1", False, "has no label 'tool'"),
    ("capability:tool>=1", True, "tool is 1.2.3"),
    ("capability:tool<1", False, "tool is 1.2.3, needs < 1"),
    ("capability:region!=us", False, "has no capability 'region'"),
    ("not label:tool", True, "has no label 'tool'"),
    ("not capability:region", True, "has no capability 'region'"),
    ("not label:region", False, 'region is "eu", must not exist'),
]


@pytest.mark.parametrize(("text", "met", "reason"), CASES, ids=[text[:40] for text, _, _ in CASES])
def test_a_term_is_met_or_not_for_the_reason_given(text: str, *, met: bool, reason: str) -> None:
    requirement = parse(text)
    (result,) = requirement.explain(AGENT)
    assert (result.met, result.reason) == (met, reason)
    assert (result.term, result.preferred, result.weight) == (str(requirement), False, 0)
    assert requirement.evaluate(AGENT).matches is met


@pytest.mark.parametrize("text", [text for text, _, _ in CASES])
def test_nothing_but_absence_is_met_by_an_agent_that_lacks_it(text: str) -> None:
    expected = text.startswith(("not ", "agent.max_tasks>="))
    expected &= text != "not agent.max_tasks"
    nobody = Facts(max_tasks=4)
    assert parse(text).evaluate(nobody).matches is expected
