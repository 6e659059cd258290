"""Read the status, the billing period, the line and the reason of a cancellation from a file of policies."""

from collections.abc import Mapping

from django.db.models import TextChoices

from leads.importing.cells import ChoiceParser, normalize_name
from leads.importing.values.parsers import ImportContext
from leads.importing.values.stages import choice_parser
from leads.models import BillingPeriod, CancellationReason, PolicyStatus

STATUS_SYNONYMS = {
    PolicyStatus.ACTIVE: """inforce current issued live new renewal aktiv laufend actif envigueur vigente activo attivo
        actief ativo aktywna""",
    PolicyStatus.BOUND: "binder bindered gebunden lie",
    PolicyStatus.QUOTED: "quote proposal pending submitted angebot devis cotizacion preventivo offerte cotacao oferta",
    PolicyStatus.LAPSED: """expired nonrenewed notrenewed inactive abgelaufen expire vencido vencida scaduto scaduta
        verlopen expirado wygasla""",
    PolicyStatus.CANCELLED: """canceled cancellation terminated storniert gekundigt resilie cancelado cancelada
        annullato opgezegd anulowana""",
    PolicyStatus.RENEWED: "erneuert verlangert renouvele renovado renovada rinnovato verlengd odnowiona",
}
BILLING_SYNONYMS = {
    BillingPeriod.MONTHLY: "month monatlich mensuel mensual mensile maandelijks mensal miesieczna 12pay 12",
    BillingPeriod.QUARTERLY: "quarter vierteljahrlich trimestriel trimestral trimestrale perkwartaal kwartalna 4pay 4",
    BillingPeriod.SEMIANNUAL: """semiannual semiannually halfyearly biannual sixmonths 6month 6months halbjahrlich
        semestriel semestral semestrale halfjaarlijks polroczna 2pay 2""",
    BillingPeriod.ANNUAL: """annual annually year paidinfull fullpay payinfull jahrlich annuel anual annuale jaarlijks
        roczna 1pay 1""",
}
REASON_SYNONYMS = {
    CancellationReason.CLIENT_REQUEST: """insuredrequest insuredsrequest customerrequest requested clientrequest
        kundenwunsch""",
    CancellationReason.NON_PAYMENT: "nonpayment nonpay nonpaymentofpremium unpaid zahlungsverzug impaye impago",
    CancellationReason.REPLACED: "rewritten rewrite replaced moved ersetzt remplace",
    CancellationReason.RISK_GONE: "sold closed propertysold vehiclesold outofbusiness verkauft vendu",
    CancellationReason.CARRIER: "underwriting companyrequest carrierrequest uwreasons",
}
# What other systems call the lines that a new agency has.
LINE_SYNONYMS = {
    "auto": "personalauto privatepassengerauto automobile car vehicle kfz autoversicherung coche",
    "home": "homeowners homeowner ho3 ho5 dwelling house wohngebaude habitation hogar",
    "renters": "renter ho4 tenants",
    "umbrella": "personalumbrella excess",
    "commercial_auto": "businessauto commauto",
    "general_liability": "gl cgl liability commercialgeneralliability betriebshaftpflicht",
    "commercial_property": "businessproperty commproperty",
    "workers_compensation": "workerscomp wc workcomp",
    "life": "lifeinsurance termlife leben lebensversicherung vie vida",
}


def aliases(synonyms: Mapping[TextChoices, str]) -> dict[str, str]:
    """Return the value of each synonym."""
    return {name: value.value for value, names in synonyms.items() for name in names.split()}


STATUS_PARSER = choice_parser(PolicyStatus.choices, **aliases(STATUS_SYNONYMS))
BILLING_PARSER = choice_parser(BillingPeriod.choices, **aliases(BILLING_SYNONYMS))
REASON_PARSER = choice_parser(CancellationReason.choices, **aliases(REASON_SYNONYMS))


def line_parser(context: ImportContext) -> ChoiceParser:
    """Return the parser of lines by their own names, else by what other systems call those of a new agency."""
    own = context.line.options
    known = {
        name: own[normalize_name(code)]
        for code, names in LINE_SYNONYMS.items()
        if normalize_name(code) in own
        for name in names.split()
    }
    return ChoiceParser({**known, **own}, context.line.error_message)
