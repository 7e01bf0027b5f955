<?php
$folder = getenv('IDP_FOLDER');
$settings = json_decode(file_get_contents("$folder/settings.json"), true);
$sources = [['type' => 'flatfile']];
if (is_file("$folder/sp.xml")) {
    $sources[] = ['type' => 'xml', 'file' => "$folder/sp.xml"];
}
$config = [
    'baseurlpath' => $settings['base'],
    'certdir' => "$folder/",
    'loggingdir' => "$folder/log/",
    'datadir' => "$folder/data/",
    'tempdir' => "$folder/tmp",
    'metadatadir' => dirname(__DIR__) . '/metadata',
    'metadata.sources' => $sources,
    'secretsalt' => 'nobody keeps a secret here',
    'auth.adminpassword' => 'nobody signs in as the administrator',
    'technicalcontact_email' => 'na@example.org',
    'timezone' => 'UTC',
    'debug' => ['saml' => true, 'backtraces' => true, 'validatexml' => false],
    'showerrors' => true,
    'errorreporting' => false,
    'logging.handler' => 'file',
    'logging.level' => 7,
    'enable.saml20-idp' => true,
    'module.enable' => ['core' => true, 'exampleauth' => true, 'saml' => true],
    'store.type' => 'phpsession',
    'session.duration' => 28800,
    'session.cookie.name' => 'SimpleSAMLSession',
    'session.cookie.secure' => false,
    'session.phpsession.cookiename' => 'SimpleSAMLphp',
    'session.phpsession.savepath' => "$folder/tmp",
    'session.authtoken.cookiename' => 'SimpleSAMLAuthToken',
    'trusted.url.domains' => [],
    'language.default' => 'en',
    'language.available' => ['en'],
    'usenewui' => false,
    'theme.use' => 'default',
    'assets' => ['caching' => ['max_age' => 0, 'etag' => false]],
];
