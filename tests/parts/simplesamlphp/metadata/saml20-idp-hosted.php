<?php
$settings = json_decode(file_get_contents(getenv('IDP_FOLDER') . '/settings.json'), true);
$persistent = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
$idp = [
    'host' => '__DEFAULT__',
    'auth' => 'people',
    'privatekey' => $settings['signing'] . '.key',
    'certificate' => $settings['signing'] . '.crt',
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'saml20.sign.response' => true,
    'saml20.sign.assertion' => true,
    'sign.logout' => true,
    'redirect.sign' => true,
    'redirect.validate' => true,
    'validate.logout' => true,
    'NameIDFormat' => $persistent,
    'attributes.NameFormat' => 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic',
    'authproc' => [
        3 => ['class' => 'saml:AttributeNameID', 'attribute' => 'uid', 'Format' => $persistent, 'NameQualifier' => true, 'SPNameQualifier' => true],
    ],
];
if (isset($settings['next'])) {
    $idp['new_privatekey'] = $settings['next'] . '.key';
    $idp['new_certificate'] = $settings['next'] . '.crt';
}
if ($settings['encrypt'] ?? false) {
    $idp['assertion.encryption'] = true;
}
$metadata[$settings['base'] . 'saml2/idp/metadata.php'] = $idp;
