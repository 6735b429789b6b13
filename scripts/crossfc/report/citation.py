"""The literature behind a methods text: cited as author and year, and listed once each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A work: how it is cited in the text, how it is listed, and its DOI (none for books)."""

    short: str
    full: str
    doi: str = ""


REFERENCES = {
    "abraham2014": Reference(
        "Abraham et al. 2014",
        "Abraham A, Pedregosa F, Eickenberg M, et al. Machine learning for neuroimaging with "
        "scikit-learn. Frontiers in Neuroinformatics 2014;8:14.",
        "10.3389/fninf.2014.00014",
    ),
    "avants2011": Reference(
        "Avants et al. 2011",
        "Avants BB, Tustison NJ, Song G, et al. A reproducible evaluation of ANTs similarity "
        "metric performance in brain image registration. NeuroImage 2011;54:2033–2044.",
        "10.1016/j.neuroimage.2010.09.025",
    ),
    "behzadi2007": Reference(
        "Behzadi et al. 2007",
        "Behzadi Y, Restom K, Liau J, Liu TT. A component based noise correction method (CompCor) "
        "for BOLD and perfusion based fMRI. NeuroImage 2007;37:90–101.",
        "10.1016/j.neuroimage.2007.04.042",
    ),
    "benjamini1995": Reference(
        "Benjamini & Hochberg 1995",
        "Benjamini Y, Hochberg Y. Controlling the false discovery rate: a practical and powerful "
        "approach to multiple testing. Journal of the Royal Statistical Society B 1995;57:289–300.",
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "bullmore1999": Reference(
        "Bullmore et al. 1999",
        "Bullmore ET, Suckling J, Overmeyer S, et al. Global, voxel, and cluster tests, by theory "
        "and permutation, for a difference between two groups of structural MR images of the "
        "brain. IEEE Transactions on Medical Imaging 1999;18:32–42.",
        "10.1109/42.750253",
    ),
    "chen2026": Reference(
        "Chen et al. 2026",
        "Chen X, Weeda WD, Nichols TE, Goeman JJ. eTFCE: exact threshold-free cluster enhancement "
        "via fast cluster retrieval. arXiv 2026;2603.03004.",
        "10.48550/arXiv.2603.03004",
    ),
    "diciccio2017": Reference(
        "DiCiccio & Romano 2017",
        "DiCiccio CJ, Romano JP. Robust permutation tests for correlation and regression "
        "coefficients. Journal of the American Statistical Association 2017;112:1211–1220.",
        "10.1080/01621459.2016.1202117",
    ),
    "esteban2019": Reference(
        "Esteban et al. 2019",
        "Esteban O, Markiewicz CJ, Blair RW, et al. fMRIPrep: a robust preprocessing pipeline for "
        "functional MRI. Nature Methods 2019;16:111–116.",
        "10.1038/s41592-018-0235-4",
    ),
    "esterman2010": Reference(
        "Esterman et al. 2010",
        "Esterman M, Tamber-Rosenau BJ, Chiu Y-C, Yantis S. Avoiding non-independence in fMRI data "
        "analysis: leave one subject out. NeuroImage 2010;50:572–576.",
        "10.1016/j.neuroimage.2009.10.092",
    ),
    "fonov2011": Reference(
        "Fonov et al. 2011",
        "Fonov V, Evans AC, Botteron K, et al. Unbiased average age-appropriate atlases for "
        "pediatric studies. NeuroImage 2011;54:313–327.",
        "10.1016/j.neuroimage.2010.07.033",
    ),
    "freedman1983": Reference(
        "Freedman & Lane 1983",
        "Freedman D, Lane D. A nonstochastic interpretation of reported significance levels. "
        "Journal of Business & Economic Statistics 1983;1:292–298.",
        "10.1080/07350015.1983.10509354",
    ),
    "freeman1989": Reference(
        "Freeman 1989",
        "Freeman PR. The performance of the two-stage analysis of two-treatment, two-period "
        "crossover trials. Statistics in Medicine 1989;8:1421–1432.",
        "10.1002/sim.4780081202",
    ),
    "cox1999": Reference(
        "Cox & Jesmanowicz 1999",
        "Cox RW, Jesmanowicz A. Real-time 3D image registration for functional MRI. Magnetic "
        "Resonance in Medicine 1999;42:1014–1018.",
        "10.1002/(SICI)1522-2594(199912)42:6<1014::AID-MRM4>3.0.CO;2-F",
    ),
    "friston1995": Reference(
        "Friston et al. 1995",
        "Friston KJ, Ashburner J, Frith CD, Poline JB, Heather JD, Frackowiak RSJ. Spatial "
        "registration and normalization of images. Human Brain Mapping 1995;3:165–189.",
        "10.1002/hbm.460030303",
    ),
    "friston1996": Reference(
        "Friston et al. 1996",
        "Friston KJ, Williams S, Howard R, Frackowiak RSJ, Turner R. Movement-related effects in "
        "fMRI time-series. Magnetic Resonance in Medicine 1996;35:346–355.",
        "10.1002/mrm.1910350312",
    ),
    "gorgolewski2016": Reference(
        "Gorgolewski et al. 2016",
        "Gorgolewski KJ, Auer T, Calhoun VD, et al. The brain imaging data structure, a format for "
        "organizing and describing outputs of neuroimaging experiments. Scientific Data "
        "2016;3:160044.",
        "10.1038/sdata.2016.44",
    ),
    "greve2009": Reference(
        "Greve & Fischl 2009",
        "Greve DN, Fischl B. Accurate and robust brain image alignment using boundary-based "
        "registration. NeuroImage 2009;48:63–72.",
        "10.1016/j.neuroimage.2009.06.060",
    ),
    "koch1972": Reference(
        "Koch 1972",
        "Koch GG. The use of non-parametric methods in the statistical analysis of the two-period "
        "change-over design. Biometrics 1972;28:577–584.",
    ),
    "kriegeskorte2009": Reference(
        "Kriegeskorte et al. 2009",
        "Kriegeskorte N, Simmons WK, Bellgowan PSF, Baker CI. Circular analysis in systems "
        "neuroscience: the dangers of double dipping. Nature Neuroscience 2009;12:535–540.",
        "10.1038/nn.2303",
    ),
    "lindquist2019": Reference(
        "Lindquist et al. 2019",
        "Lindquist MA, Geuter S, Wager TD, Caffo BS. Modular preprocessing pipelines can "
        "reintroduce artifacts into fMRI data. Human Brain Mapping 2019;40:2358–2376.",
        "10.1002/hbm.24528",
    ),
    "molder2021": Reference(
        "Mölder et al. 2021",
        "Mölder F, Jablonski KP, Letcher B, et al. Sustainable data analysis with Snakemake. "
        "F1000Research 2021;10:33.",
        "10.12688/f1000research.29032.2",
    ),
    "nichols2002": Reference(
        "Nichols & Holmes 2002",
        "Nichols TE, Holmes AP. Nonparametric permutation tests for functional neuroimaging: a "
        "primer with examples. Human Brain Mapping 2002;15:1–25.",
        "10.1002/hbm.1058",
    ),
    "nieuwenhuis2011": Reference(
        "Nieuwenhuis et al. 2011",
        "Nieuwenhuis S, Forstmann BU, Wagenmakers EJ. Erroneous analyses of interactions in "
        "neuroscience: a problem of significance. Nature Neuroscience 2011;14:1105–1107.",
        "10.1038/nn.2886",
    ),
    "pernet2013": Reference(
        "Pernet et al. 2013",
        "Pernet CR, Wilcox R, Rousselet GA. Robust correlation analyses: false positive and power "
        "validation using a new open source Matlab toolbox. Frontiers in Psychology 2013;3:606.",
        "10.3389/fpsyg.2012.00606",
    ),
    "phipson2010": Reference(
        "Phipson & Smyth 2010",
        "Phipson B, Smyth GK. Permutation p-values should never be zero: calculating exact "
        "p-values when permutations are randomly drawn. Statistical Applications in Genetics and "
        "Molecular Biology 2010;9:39.",
        "10.2202/1544-6115.1585",
    ),
    "power2012": Reference(
        "Power et al. 2012",
        "Power JD, Barnes KA, Snyder AZ, Schlaggar BL, Petersen SE. Spurious but systematic "
        "correlations in functional connectivity MRI networks arise from subject motion. "
        "NeuroImage 2012;59:2142–2154.",
        "10.1016/j.neuroimage.2011.10.018",
    ),
    "power2014": Reference(
        "Power et al. 2014",
        "Power JD, Mitra A, Laumann TO, Snyder AZ, Schlaggar BL, Petersen SE. Methods to detect, "
        "characterize, and remove motion artifact in resting state fMRI. NeuroImage "
        "2014;84:320–341.",
        "10.1016/j.neuroimage.2013.08.048",
    ),
    "satterthwaite2013": Reference(
        "Satterthwaite et al. 2013",
        "Satterthwaite TD, Elliott MA, Gerraty RT, et al. An improved framework for confound "
        "regression and filtering for control of motion artifact in the preprocessing of "
        "resting-state functional connectivity data. NeuroImage 2013;64:240–256.",
        "10.1016/j.neuroimage.2012.08.052",
    ),
    "smith2009": Reference(
        "Smith & Nichols 2009",
        "Smith SM, Nichols TE. Threshold-free cluster enhancement: addressing problems of "
        "smoothing, threshold dependence and localisation in cluster inference. NeuroImage "
        "2009;44:83–98.",
        "10.1016/j.neuroimage.2008.03.061",
    ),
    "taylor2023": Reference(
        "Taylor et al. 2023",
        "Taylor PA, Reynolds RC, Calhoun V, et al. Highlight results, don't hide them: enhance "
        "interpretation, reduce biases and improve reproducibility. NeuroImage 2023;274:120138.",
        "10.1016/j.neuroimage.2023.120138",
    ),
    "kenward1997": Reference(
        "Kenward & Roger 1997",
        "Kenward MG, Roger JH. Small sample inference for fixed effects from restricted maximum "
        "likelihood. Biometrics 1997;53:983–997.",
        "10.2307/2533558",
    ),
    "mackinnon1985": Reference(
        "MacKinnon & White 1985",
        "MacKinnon JG, White H. Some heteroskedasticity-consistent covariance matrix estimators "
        "with improved finite sample properties. Journal of Econometrics 1985;29:305–325.",
        "10.1016/0304-4076(85)90158-7",
    ),
    "winkler2014": Reference(
        "Winkler et al. 2014",
        "Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE. Permutation inference for the "
        "general linear model. NeuroImage 2014;92:381–397.",
        "10.1016/j.neuroimage.2014.01.060",
    ),
    "winkler2015": Reference(
        "Winkler et al. 2015",
        "Winkler AM, Webster MA, Vidaurre D, Nichols TE, Smith SM. Multi-level block permutation. "
        "NeuroImage 2015;123:253–268.",
        "10.1016/j.neuroimage.2015.05.092",
    ),
    "winkler2016": Reference(
        "Winkler et al. 2016",
        "Winkler AM, Ridgway GR, Douaud G, Nichols TE, Smith SM. Faster permutation inference in "
        "brain imaging. NeuroImage 2016;141:502–516.",
        "10.1016/j.neuroimage.2016.05.068",
    ),
}


class Citations:
    """Collects the works that a text cites, so that the reference list holds exactly these."""

    def __init__(self) -> None:
        self._cited: set[str] = set()

    def __call__(self, *keys: str) -> str:
        """Return a citation, ``(Nichols & Holmes 2002; Winkler et al. 2014)``; record its works."""
        self._cited.update(keys)
        ordered = sorted((REFERENCES[key] for key in keys), key=lambda r: (r.short[-4:], r.short))
        return f"({'; '.join(r.short for r in ordered)})"

    def cite_those_in(self, text: str) -> str:
        """Record the works that a sentence names as ``Author et al. Year``; return the sentence."""
        for key, reference in REFERENCES.items():
            if reference.short in text:
                self._cited.add(key)
        return text

    def listed(self) -> list[Reference]:
        """List the works cited so far, sorted by author."""
        return sorted((REFERENCES[key] for key in self._cited), key=lambda r: r.full)
