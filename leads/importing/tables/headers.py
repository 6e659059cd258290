"""How other systems name the columns of clients, contacts, policies and notes.

The languages and programs are those of `synonyms`; its names of people, addresses, phones and owners serve here too.
"""

from leads.importing.columns import CONSENT_FIELDS
from leads.importing.synonyms import AMBIGUOUS_SYNONYMS, FIELD_SYNONYMS, to_words

PERSON_NAMES = {name: FIELD_SYNONYMS[name] for name in ("first_name", "middle_name", "last_name")}
NAME, EMAIL, PHONE = (FIELD_SYNONYMS[f"contact_{name}"] for name in ("name", "email", "phone"))
COMPANY, TAGS, NOTES = FIELD_SYNONYMS["company_name"], FIELD_SYNONYMS["tags"], FIELD_SYNONYMS["notes"]
OWNER = f"{FIELD_SYNONYMS['assigned_to']} assigned"
AMBIGUOUS_OWNER = AMBIGUOUS_SYNONYMS["assigned_to"]
CREATED = f"""{FIELD_SYNONYMS["created_at"]} clientsince customersince memberdate clientcreated customercreated
    kundeseit clientdepuis clientedesde clientedal klantsinds klientod"""
CONSENT = {name: FIELD_SYNONYMS[name] for name in CONSENT_FIELDS}
AMBIGUOUS_CONSENT = {name: AMBIGUOUS_SYNONYMS[name] for name in CONSENT_FIELDS if name in AMBIGUOUS_SYNONYMS}
LINE = f"{FIELD_SYNONYMS['insurance_type']} {AMBIGUOUS_SYNONYMS['insurance_type']}"

CLIENT_IDS = """clientid customerid accountid insuredid clientnumber customernumber clientno customerno accountnumber
    clientcode customercode clientkey clientexternalid kundennummer kundennr kundenid numeroclient idclient
    numerodecliente idcliente codicecliente idcliente klantnummer klantid numerodocliente numerklienta idklienta"""
LEAD_IDS = "leadid leadnumber prospectid dealid opportunityid leadexternalid leadnummer"
CONTACT_IDS = "contactid personid contactexternalid kontaktid contatoid"

CLIENT_SYNONYMS = {
    **PERSON_NAMES,
    "name": NAME,
    "company_name": COMPANY,
    "client_type": FIELD_SYNONYMS["client_type"],
    "email": EMAIL,
    "phone": PHONE,
    "street": """street streetaddress address address1 addressline1 mailingaddress mailingstreet billingstreet
        billingaddress primaryaddress homeaddress street1 addr1 physicaladdress
        strasse straße anschrift adresse rue adresse1 calle direccion domicilio indirizzo via straat adres straatnaam
        rua endereco logradouro ulica adresulica mailingaddress1 mailingaddressline1""",
    "city": """city town mailingcity billingcity homecity primarycity cityname ort stadt wohnort ville ciudad localidad
        poblacion citta comune plaats stad woonplaats cidade miasto miejscowosc""",
    "state": """state province region mailingstate billingstate stateprovince stateregion bundesland kanton departement
        provincia estado regione provincie wojewodztwo""",
    "zip": """zip zipcode postalcode postcode postal mailingzip mailingpostalcode billingzip billingpostalcode
        zippostalcode mailingzippostalcode plz postleitzahl codepostal codigopostal cap codiceavviamentopostale cep
        kodpocztowy""",
    "country": """country countryname mailingcountry billingcountry countryregion land pays pais paese kraj""",
    "assigned_to": OWNER,
    "tags": TAGS,
    "notes": NOTES,
    "created_at": CREATED,
    **CONSENT,
}
CLIENT_AMBIGUOUS = {
    **AMBIGUOUS_CONSENT,
    "client_type": AMBIGUOUS_SYNONYMS["client_type"],
    "assigned_to": AMBIGUOUS_OWNER,
    "created_at": AMBIGUOUS_SYNONYMS["created_at"],
}
LEAD_SIGNS = frozenset(
    to_words(
        " ".join(
            [
                *(FIELD_SYNONYMS[name] for name in ("status", "source_type", "source_detail", "estimated_value")),
                *(FIELD_SYNONYMS[name] for name in ("expected_close_date", "closed_at", "loss_reason")),
                *(AMBIGUOUS_SYNONYMS["status"], LEAD_IDS, "leadname leadscore prospectname dealname"),
            ]
        )
    )
) - frozenset(to_words("premium annualpremium status"))
CLIENT_SIGNS = frozenset(
    to_words(
        f"""{CLIENT_IDS} {CLIENT_SYNONYMS["street"]} {CLIENT_SYNONYMS["zip"]} clientname customername insuredname
        namedinsured clienttype customertype clientsince customersince kundenname kundeseit nomeclient nombrecliente"""
    )
)
CLIENT_KEYS = to_words(f"{CLIENT_IDS} externalid recordid uniqueid uuid guid id")

# In a file of contacts or policies, the client is another record than the row.
CLIENT_NAMES = """clientname customername insuredname namedinsured accountname account client customer insured
    policyholder policyholdername nameofinsured kundenname kunde versicherungsnehmer nomduclient client souscripteur
    nombredelcliente cliente tomador asegurado nomecliente contraente assicurato klantnaam klant verzekeringnemer
    nomedocliente segurado klient nazwaklienta ubezpieczony"""
CLIENT_EMAILS = """clientemail customeremail insuredemail accountemail clientemailaddress emailduclient
    correodelcliente emailcliente klantemail emailklienta"""
CLIENT_PHONES = "clientphone customerphone insuredphone accountphone clientphonenumber"
OTHERS_WORDS = frozenset(to_words(f"{CLIENT_NAMES} {CLIENT_EMAILS} {CLIENT_PHONES}"))


def without_clients(names: str) -> str:
    """Return names of columns without those that name a client."""
    return " ".join(name for name in names.split() if name not in OTHERS_WORDS)


REFERENCED_CLIENT = {
    "client_key": CLIENT_IDS,
    "client_email": CLIENT_EMAILS,
    "client_name": f"{CLIENT_NAMES} {COMPANY}",
    "client_phone": CLIENT_PHONES,
}
CONTACT_SYNONYMS = {
    **REFERENCED_CLIENT,
    **{part: without_clients(names) for part, names in PERSON_NAMES.items()},
    "lead_key": LEAD_IDS,
    "lead_email": "leademail prospectemail",
    "lead_name": "leadname prospectname dealname opportunityname",
    "name": without_clients(NAME),
    "email": without_clients(EMAIL),
    "phone": without_clients(PHONE),
    "title": """title jobtitle position jobposition function titel position funktion stellung berufsbezeichnung poste
        fonction intitulepuesto cargo puesto qualifica ruolo functie functietitel stanowisko""",
    "role": "role contactrole buyingrole contacttype rolle rol ruolo rola funcao",
    "is_primary": """primary isprimary primarycontact maincontact ismain default hauptkontakt hauptansprechpartner
        principal contactoprincipal contattoprincipale hoofdcontact glownykontakt""",
    "tags": TAGS,
    "created_at": FIELD_SYNONYMS["created_at"],
    **CONSENT,
}
CONTACT_AMBIGUOUS = {"created_at": AMBIGUOUS_SYNONYMS["created_at"], **AMBIGUOUS_CONSENT}
CONTACT_KEYS = to_words(f"{CONTACT_IDS} externalid recordid uniqueid uuid guid id")
CONTACT_SIGNS = frozenset(
    to_words(f"{CONTACT_IDS} {CONTACT_SYNONYMS['title']} contactrole primarycontact isprimary {LEAD_IDS} {CLIENT_IDS}")
)

POLICY_SYNONYMS = {
    "previous_number": """previouspolicynumber priorpolicynumber previouspolicy priorpolicy renewalof renewedfrom
        expiringpolicynumber expiringpolicy oldpolicynumber replacespolicy vorvertrag vorgangerpolice vorherigepolice
        policeprecedente numerodepoliceprecedente polizaanterior numerodepolizaanterior polizzaprecedente vorigepolis
        apoliceanterior poprzedniapolisa""",
    "policy_number": """policynumber policyno policynum policy number contractnumber policyref policenumber
        versicherungsnummer policennummer vertragsnummer versicherungsscheinnummer policenummer numerodepolice
        numeropolice numerodecontrat numerodepoliza numeropoliza poliza numeropolizza numerodipolizza polisnummer
        numerodaapolice apolice numerpolisy polisa""",
    **REFERENCED_CLIENT,
    **PERSON_NAMES,
    "client_email": f"{CLIENT_EMAILS} {EMAIL}",
    "client_phone": f"{CLIENT_PHONES} {PHONE}",
    "client_name": f"{CLIENT_NAMES} {without_clients(NAME)}",
    "company_name": COMPANY,
    "insurance_type": f"{LINE} policytypename linename",
    "carrier": """carrier carriername insurer insurancecompany company issuingcompany writingcompany underwriter
        companycode versicherer versicherungsgesellschaft gesellschaft assureur compagnie compagniedassurance
        aseguradora compania compagnia compagniaassicurativa verzekeraar maatschappij seguradora ubezpieczyciel
        towarzystwo""",
    "status": "policystatus status state policystate vertragsstatus statut estado stato situacao stan statuspolisy",
    "premium": """premium writtenpremium annualpremium totalpremium policypremium annualizedpremium termpremium amount
        pramie beitrag jahrespramie jahresbeitrag bruttobeitrag prime primeannuelle cotisation prima primaanual
        primatotal
        premio premioannuo premie jaarpremie premioanual skladka skladkaroczna""",
    "billing_period": """billingperiod billingfrequency paymentfrequency paymentplan payplan billing billingplan
        frequency premiumfrequency zahlungsweise zahlweise zahlungsrhythmus fractionnement periodicite periodicidad
        formadepago frazionamento betaaltermijn periodicidade czestotliwosc""",
    "effective_on": """effectiveon effectivedate effective eff effdate startdate start policyeffectivedate
        inceptiondate inception termeffectivedate from policystart begindate beginn versicherungsbeginn vertragsbeginn
        datedeffet debut datedebut fechadeefecto fechadeinicio inicio vigenciadesde dataeffetto decorrenza
        ingangsdatum iniciodevigencia datainicio datarozpoczecia""",
    "expires_on": """expireson expirationdate expiration expirydate expiry exp expdate enddate end
        policyexpirationdate termexpirationdate renewaldate to policyend ablauf ablaufdatum versicherungsende
        vertragsende echeance dateecheance dateecheanceprincipale fin fechadevencimiento vencimiento fechafin
        vigenciahasta datascadenza scadenza vervaldatum einddatum fimdevigencia datafim datazakonczenia""",
    "cancelled_on": """cancelledon canceldate cancellationdate canceleddate cancelleddate dateofcancellation
        terminationdate stornodatum kundigungsdatum dateresiliation fechadecancelacion datadisdetta opzegdatum
        datadecancelamento""",
    "cancellation_reason": """cancellationreason cancelreason reasonforcancellation stornogrund kundigungsgrund
        motifresiliation motivodecancelacion motivodisdetta opzegreden""",
    **CONSENT,
}
POLICY_AMBIGUOUS = AMBIGUOUS_CONSENT
POLICY_KEYS = to_words("policyid externalid recordid uniqueid uuid guid")
POLICY_SIGNS = frozenset(
    to_words(
        " ".join(
            POLICY_SYNONYMS[name]
            for name in ("previous_number", "policy_number", "carrier", "effective_on", "expires_on", "billing_period")
        )
    )
) - frozenset(to_words("company number start end from to state"))

NOTE_SYNONYMS = {
    "summary": f"""{NOTES} notetext notebody body text content details activitynotes activitydescription fullcomments
        callnotes texte contenu contenuto tekst inhalt""",
    "subject": "subject title activitysubject betreff objet asunto oggetto onderwerp assunto temat",
    "occurred_at": f"""date activitydate notedate loggedat activityat occurredat datetime completedat completeddate
        duedate startdate when timestamp calldate meetingdate datum data fecha dataattivita
        {FIELD_SYNONYMS["created_at"]}
        {AMBIGUOUS_SYNONYMS["created_at"]}""",
    "author": f"""author writtenby createdby loggedby enteredby by user username noteauthor autor verfasser erstelltvon
        auteur creepar creadopor creatoda gemaaktdoor criadopor utworzonyprzez {OWNER} owner activityowner""",
    "kind": """kind type activitytype notetype category activity art typ aktivitat typedactivite tipo tipodeactividad
        soort""",
    "client_key": CLIENT_IDS,
    "client_email": CLIENT_EMAILS,
    "client_name": f"{CLIENT_NAMES} {COMPANY}",
    "lead_key": LEAD_IDS,
    "lead_email": "leademail prospectemail",
    "lead_name": "leadname prospectname dealname opportunityname",
    "contact_key": CONTACT_IDS,
    "contact_email": "contactemail personemail",
    "contact_name": "contactname personname contactfullname",
    "email": without_clients(EMAIL),
    "name": f"{without_clients(NAME)} regarding relatedto about record",
}
NOTE_AMBIGUOUS: dict[str, str] = {}
NOTE_KEYS = to_words("noteid activityid taskid eventid callid externalid recordid uniqueid uuid guid id")
NOTE_SIGNS = frozenset(
    to_words(
        """activitydate notedate activitytype notetype loggedby createdby author writtenby noteid activityid notetext
        notebody subject callnotes activitynotes verfasser erstelltvon betreff auteur autor regarding relatedto
        activitysubject calldate meetingdate activityowner noteauthor"""
    )
)
