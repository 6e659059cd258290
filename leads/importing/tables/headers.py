"""How other systems name the columns of clients, contacts, policies and notes.

The languages and programs are those of `synonyms`, whose names of people, addresses, phones and owners are used again.
"""

from leads.importing.synonyms import AMBIGUOUS_SYNONYMS, FIELD_SYNONYMS, to_words

PERSON_NAMES = {name: FIELD_SYNONYMS[name] for name in ("first_name", "middle_name", "last_name")}
NAME, EMAIL, PHONE = (FIELD_SYNONYMS[f"contact_{name}"] for name in ("name", "email", "phone"))
COMPANY, TAGS, NOTES = FIELD_SYNONYMS["company_name"], FIELD_SYNONYMS["tags"], FIELD_SYNONYMS["notes"]
OWNER = f"{FIELD_SYNONYMS['assigned_to']} assigned"
AMBIGUOUS_OWNER = AMBIGUOUS_SYNONYMS["assigned_to"]
CREATED = f"""{FIELD_SYNONYMS["created_at"]} clientsince customersince memberdate clientcreated customercreated
    kundeseit clientdepuis clientedesde clientedal klantsinds klientod"""
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
}
CLIENT_AMBIGUOUS = {
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
